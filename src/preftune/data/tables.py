"""Files to rows: JSONL, JSON, Parquet, CSV (each also gzipped), ``datasets`` folders, the hub.

A row keeps the line it came from, so that every later message can name it. For Parquet and
``datasets`` the line is the row's number, the first row being 1.
"""

import csv
import gc
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from preftune.data import cells, hub
from preftune.data.faults import Fault, refuse
from preftune.records import BadInput

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
CSV_LARGEST_CELL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the file (from 1) and its columns."""

    line: int
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Every row of a file. ``faults`` are the lines that are no rows: not JSON, not an object."""

    path: str
    rows: tuple[Row, ...]
    faults: tuple[Fault, ...] = ()
    size: int | None = None
    """Bytes on disk; None for a dataset of the hub."""

    @property
    def count(self) -> int:
        """Rows, good and bad."""
        return len(self.rows) + len(self.faults)


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for cycles meanwhile: among millions of new rows it takes a third of the time,
    and rows hold none."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a file as plain dicts; BadInput for a missing, empty or broken file."""
    with uncollected():
        return [dict(row.columns) for row in read_table(path).rows]


def read_table(path: str | Path, *, skip_bad: int = 0) -> Table:
    """Like ``scan``, and BadInput when more than ``skip_bad`` lines are no rows."""
    table = scan(path)
    refuse(table.faults, file=table.path, rows=table.count, skip_bad=skip_bad)
    return table


def scan(path: str | Path) -> Table:
    """Read a file, a ``datasets`` folder or ``hub:name``; lines that are no rows become faults.

    Raises BadInput when the file is missing, empty or of an unreadable kind.
    """
    name = str(path)
    if name.startswith("hub:"):
        return _table(name, _numbered(hub.read_hub(name)), (), None)
    place = Path(path)
    if place.is_dir():
        return _scan_folder(place)
    content = _read_bytes(place)
    size = len(content)
    if content.startswith(GZIP_MAGIC):
        content = _gunzip(content, name)
    if not content.strip():
        raise BadInput("The file is empty.", file=name, remedy="Give a file with at least one row.")
    suffix = _suffix(place)
    if content.startswith(PARQUET_MAGIC):
        return _table(name, _numbered(_read_parquet(content, name)), (), size)
    if suffix == ".parquet":
        raise BadInput(
            "This is no Parquet file.", file=name, remedy="Give it the ending of what it is."
        )
    text = _decode(content, name)
    if suffix in (".csv", ".tsv"):
        rows, faults = _read_csv(text, "\t" if suffix == ".tsv" else ",", name)
    elif text.lstrip().startswith("["):
        rows, faults = _read_json_array(text, name)
    else:
        rows, faults = _read_json_lines(text)
    return _table(name, rows, faults, size)


def _table(
    name: str, rows: list[Row], faults: list[Fault] | tuple[Fault, ...], size: int | None
) -> Table:
    if not rows and not faults:
        raise BadInput(
            "The file has no rows.", file=name, remedy="Give a file with at least one row."
        )
    return Table(path=name, rows=tuple(rows), faults=tuple(faults), size=size)


def _suffix(place: Path) -> str:
    name = place.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _read_bytes(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except FileNotFoundError:
        near = cells.nearest(place.name, _siblings(place))
        hint = f'Is "{near}" meant? It is in the same folder.' if near else "Check the path."
        raise BadInput("There is no such file.", file=place, remedy=hint) from None
    except OSError as error:
        raise BadInput(
            f"The file cannot be read: {error.strerror}.", file=place, remedy="Check the path."
        ) from None


def _siblings(place: Path) -> list[str]:
    return sorted(p.name for p in place.parent.iterdir()) if place.parent.is_dir() else []


def _gunzip(content: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        raise BadInput(
            "The gzip file is damaged or cut off.", file=name, remedy="Fetch or write it again."
        ) from None


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(
            "The text is not UTF-8.", file=name, line=line, remedy="Save the file as UTF-8."
        ) from None


def _numbered(rows: list[dict[str, Any]]) -> list[Row]:
    return [Row(line, columns) for line, columns in enumerate(rows, start=1)]


# JSON


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(parse_constant=_no_constant)


def _read_json_lines(text: str) -> tuple[list[Row], list[Fault]]:
    rows: list[Row] = []
    faults: list[Fault] = []
    for line, content in enumerate(text.split("\n"), start=1):
        if not content or content.isspace():
            continue
        try:
            value = _JSON.decode(content)
        except (ValueError, RecursionError) as error:
            faults.append(Fault(line, "not_json", _not_json(error)))
            continue
        _keep(value, line, rows, faults)
    return rows, faults


def _not_json(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"The line is not JSON: {error.msg.lower()} at character {error.colno}."
    return f"The line is not JSON: {error}."


def _keep(value: object, line: int, rows: list[Row], faults: list[Fault]) -> None:
    if isinstance(value, dict):
        rows.append(Row(line, value))
    else:
        kind = cells.kind_of(value)
        faults.append(Fault(line, "not_object", f"The row is {kind}, not a JSON object."))


def _read_json_array(text: str, name: str) -> tuple[list[Row], list[Fault]]:
    rows: list[Row] = []
    faults: list[Fault] = []
    for value, start in _array_items(text, name):
        _keep(value, text.count("\n", 0, start) + 1, rows, faults)
    return rows, faults


def _array_items(text: str, name: str) -> Iterator[tuple[object, int]]:
    """Each item of one JSON array with the offset where it begins."""
    at = _skip_space(text, text.index("[") + 1)
    if text[at : at + 1] == "]":
        return
    while True:
        try:
            value, end = _JSON.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise _broken_array(text, getattr(error, "pos", at), name) from None
        yield value, at
        end = _skip_space(text, end)
        if text[end : end + 1] == "]":
            if text[end + 1 :].strip():
                raise _broken_array(text, end + 1, name)
            return
        if text[end : end + 1] != ",":
            raise _broken_array(text, end, name)
        at = _skip_space(text, end + 1)


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _broken_array(text: str, at: int, name: str) -> BadInput:
    return BadInput(
        "The file is not JSON: the list of rows is broken here.",
        file=name,
        line=text.count("\n", 0, at) + 1,
        remedy="Export it again, or write one JSON object a line.",
    )


# CSV, Parquet and folders


def _read_csv(text: str, delimiter: str, name: str) -> tuple[list[Row], list[Fault]]:
    csv.field_size_limit(CSV_LARGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    faults: list[Fault] = []
    header: list[str] = []
    line = 1
    try:
        for record in reader:
            if record and not header:
                header = _header(record, name, line)
            elif record and len(record) == len(header):
                rows.append(Row(line, cells.decode_row(header, record)))
            elif record:
                sentence = f"The row has {len(record)} cells, the header has {len(header)}."
                faults.append(Fault(line, "wrong_cells", sentence))
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(
            f"The file is not CSV: {error}.", file=name, line=line, remedy="Export it again."
        ) from None
    return rows, faults


def _header(record: list[str], name: str, line: int) -> list[str]:
    twice = sorted({column for column in record if record.count(column) > 1})
    if twice:
        raise BadInput(
            f'The header names the column "{twice[0]}" twice.',
            file=name,
            line=line,
            remedy="Rename one of them.",
        )
    return record


def _read_parquet(content: bytes, name: str) -> list[dict[str, Any]]:
    try:
        return cells.from_arrow(pq.read_table(pa.BufferReader(content)))
    except (pa.ArrowException, OSError):
        raise BadInput(
            "The Parquet file is damaged or cut off.", file=name, remedy="Fetch or write it again."
        ) from None


def _scan_folder(place: Path) -> Table:
    name = str(place)
    if (place / "dataset_dict.json").exists():
        splits = json.loads((place / "dataset_dict.json").read_text())["splits"]
        if len(splits) != 1:
            raise BadInput(
                f"The folder holds the splits {', '.join(splits)}.",
                file=name,
                remedy=f"Name one of them: {place / splits[0]}.",
            )
        return _scan_folder(place / splits[0])
    if not (place / "state.json").exists():
        raise BadInput(
            "The folder is no saved dataset: it has no state.json.",
            file=name,
            remedy="Give a file in it, or a folder written by save_to_disk of datasets.",
        )
    files = [place / str(f) for f in hub.saved_files(place)]
    rows: list[dict[str, Any]] = []
    for file in files:
        try:
            rows += cells.from_arrow(pa.ipc.open_stream(_read_bytes(file)).read_all())
        except pa.ArrowException:
            raise BadInput(
                "The Arrow file is damaged or cut off.", file=file, remedy="Save it again."
            ) from None
    return _table(name, _numbered(rows), (), sum(file.stat().st_size for file in files))
