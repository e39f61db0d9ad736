"""Rows to files, atomically: a temporary name, fsync, rename. The ending decides the format."""

import contextlib
import csv
import gzip
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet as pq

from preftune.data import cells
from preftune.records import BadInput, RunFailed

ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".csv", ".csv.gz", ".parquet")


def ending_of(path: str | Path) -> str:
    """The ending that decides the format of ``path``; BadInput when it is none of ENDINGS."""
    name = Path(path).name.lower()
    found = [ending for ending in ENDINGS if name.endswith(ending)]
    if not found:
        raise BadInput(
            f'Nothing is known about the ending of "{Path(path).name}".',
            file=path,
            remedy=f"Use one of {', '.join(ENDINGS)}.",
        )
    return found[0]


def write_rows(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as JSONL, JSON, CSV (each also .gz) or Parquet, replacing the file at once.

    The same rows give the same bytes. Raises BadInput for an unknown ending or a value that is
    not JSON (NaN), RunFailed when the disk refuses; nothing half-written is left behind.
    """
    ending = ending_of(path)
    content = encode_rows(rows, ending.removesuffix(".gz"), file=path)
    with atomic(path) as out:
        if ending.endswith(".gz"):
            with gzip.GzipFile(
                filename="", fileobj=out, mode="wb", compresslevel=6, mtime=0
            ) as packed:
                packed.write(content)
        else:
            out.write(content)


def encode_rows(rows: Sequence[Mapping[str, Any]], ending: str, *, file: str | Path) -> bytes:
    """The bytes of a file with one of the uncompressed ENDINGS."""
    encoded = (_json(row, line, file) for line, row in enumerate(rows, start=1))
    if ending == ".jsonl":
        return b"".join(line + b"\n" for line in encoded)
    if ending == ".json":
        return b"[\n" + b",\n".join(encoded) + b"\n]\n"
    for _ in encoded:
        pass  # whatever it is written as, a row must be JSON
    if ending == ".parquet":
        buffer = io.BytesIO()
        pq.write_table(cells.to_arrow(rows), buffer)
        return buffer.getvalue()
    try:
        return _csv(rows)
    except UnicodeEncodeError:
        raise BadInput(
            "A text holds half a character (a lone surrogate), which CSV cannot.",
            file=file,
            remedy="Write .jsonl or .parquet instead.",
        ) from None


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def _json(row: Mapping[str, Any], line: int, file: str | Path) -> bytes:
    try:
        return _ENCODER.encode(row).encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8, but has a JSON escape
        return json.dumps(row).encode()
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"Row {line} holds something JSON cannot: {error}.",
            file=file,
            remedy="Give numbers that are finite, and strings, lists and objects.",
        ) from None


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(names)
    for row in rows:
        writer.writerow([cells.encode_cell(name, row.get(name)) for name in names])
    return out.getvalue().encode()


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[IO[bytes]]:
    """A file to write that appears under ``path`` only when the block ends well."""
    final = Path(path)
    partial = final.parent / f".{final.name}.{os.getpid()}.partial"
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, final)
        _sync_folder(final.parent)
    except OSError as error:
        raise RunFailed(
            f"The file cannot be written: {error.strerror or error}.",
            file=final,
            remedy="Free some space or choose another place.",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
