"""Files to records. Each loader returns a list; ``load`` also says what it left out."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from preftune.data import parsing
from preftune.data.faults import Fault, LeftOut, Notice, RowFault, refuse
from preftune.data.findings import notices
from preftune.data.formats import Format, format_among
from preftune.data.tables import Row, Table, scan, uncollected
from preftune.records import (
    BadInput,
    Comparison,
    Demonstration,
    Document,
    Judged,
    Prompt,
    Ranking,
    Rating,
    Rewarded,
    Stepwise,
    VotedPair,
)

T = TypeVar("T")
Parse = Callable[[Mapping[str, Any], Format], Sequence[Any]]

PREFERENCES = (Format.PREFERENCE, Format.VOTES, Format.RANKING, Format.PREFERENCE_IMPLICIT)
READERS: dict[type, tuple[tuple[Format, ...], Parse]] = {
    Document: ((Format.TEXT,), parsing.documents),
    Demonstration: ((Format.PROMPT_COMPLETION, Format.MESSAGES), parsing.demonstrations),
    Comparison: (PREFERENCES, parsing.comparisons),
    Prompt: (tuple(form for form in Format if form is not Format.TEXT), parsing.prompts),
    Judged: ((Format.UNPAIRED, *PREFERENCES), parsing.judged),
    Rewarded: ((Format.PROMPT_COMPLETION, *PREFERENCES), parsing.rewarded),
    Ranking: ((Format.RANKING,), parsing.rankings),
    Rating: ((Format.RATING,), parsing.ratings),
    Stepwise: ((Format.STEPWISE,), parsing.stepwise),
    VotedPair: ((Format.VOTES,), parsing.voted_pairs),
}
"""For each kind of record: the formats it can be read from, and how a row is read."""

KINDS: dict[Format, type] = {
    Format.VOTES: VotedPair,
    Format.RANKING: Ranking,
    Format.RATING: Rating,
    Format.STEPWISE: Stepwise,
    Format.UNPAIRED: Judged,
    Format.PREFERENCE: Comparison,
    Format.PREFERENCE_IMPLICIT: Comparison,
    Format.PROMPT_COMPLETION: Demonstration,
    Format.MESSAGES: Demonstration,
    Format.PROMPT: Prompt,
    Format.TEXT: Document,
}
"""The kind of record that holds all a format says."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """The records of a file, the line of each, and everything that is not among them."""

    path: str
    format: Format
    records: list[T]
    lines: list[int]
    rows: int
    faults: tuple[Fault, ...]
    """Bad rows, left out because ``skip_bad`` allowed it."""
    left_out: Mapping[str, int]
    """Sound rows that give no record (undecided votes, all ranks tied): reason and count."""

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Warnings about the records, looked for when they are asked for."""
        return notices(self.records, self.lines)

    def report(self) -> dict[str, Any]:
        """JSON-able: rows read, records made, bad rows skipped, rows left out, warnings."""
        return {
            "path": self.path,
            "format": str(self.format),
            "rows": self.rows,
            "records": len(self.records),
            "skipped": len(self.faults),
            "skipped_rows": [fault.as_json() for fault in self.faults],
            "left_out": dict(self.left_out),
            "warnings": [notice.as_json() for notice in self.notices],
        }


def load(kind: type[T], path: str | Path, *, skip_bad: int = 0) -> Loaded[T]:
    """Read ``path`` as records of ``kind`` (Comparison, Prompt, ...).

    Raises BadInput, naming the first bad row, when more than ``skip_bad`` rows are bad, when the
    file has none of the formats that hold such records, and when no record is left.
    """
    with uncollected():
        return _load(kind, path, skip_bad)


def _load(kind: type[T], path: str | Path, skip_bad: int) -> Loaded[T]:
    table = scan(path)
    accepted, _ = READERS[kind]
    if not table.rows:
        refuse(table.faults, file=table.path, rows=table.count, skip_bad=0)
    form = format_among(accepted, [row.columns for row in table.rows], file=table.path)
    loaded = read(kind, table, form)
    refuse(loaded.faults, file=table.path, rows=table.count, skip_bad=skip_bad)
    if not loaded.records:
        reasons = ", ".join(f"{count} {why}" for why, count in loaded.left_out.items())
        raise BadInput(
            f"No row can be used ({reasons or 'all are bad'}).",
            file=table.path,
            remedy="Give a file with at least one usable row.",
        )
    return loaded


def read(kind: type[T], table: Table, form: Format) -> Loaded[T]:
    """Parse every row of a table as records of ``kind``; nothing is refused here."""
    _, parse = READERS[kind]
    records: list[T] = []
    lines: list[int] = []
    faults = list(table.faults)
    left_out: Counter[str] = Counter()
    for row in table.rows:
        try:
            made = _parse(parse, row, form)
        except RowFault as fault:
            faults.append(Fault(row.line, fault.kind, fault.sentence))
            continue
        except LeftOut as out:
            left_out[out.reason] += 1
            continue
        records += cast(Sequence[T], made)
        lines += [row.line] * len(made)
    return Loaded(
        path=table.path,
        format=form,
        records=records,
        lines=lines,
        rows=table.count,
        faults=tuple(sorted(faults, key=lambda fault: fault.line)),
        left_out=dict(left_out),
    )


def _parse(parse: Parse, row: Row, form: Format) -> Sequence[Any]:
    parsing.require(row.columns, form)
    return parse(row.columns, form)


def load_documents(path: str | Path, *, skip_bad: int = 0) -> list[Document]:
    """Running text (``text``)."""
    return load(Document, path, skip_bad=skip_bad).records


def load_demonstrations(path: str | Path, *, skip_bad: int = 0) -> list[Demonstration]:
    """``prompt`` and ``completion``, or ``messages`` whose last turn is the completion."""
    return load(Demonstration, path, skip_bad=skip_bad).records


def load_comparisons(path: str | Path, *, skip_bad: int = 0) -> list[Comparison]:
    """Pairs from preferences (explicit or implicit), votes (share of decided votes) or rankings."""
    return load(Comparison, path, skip_bad=skip_bad).records


def load_prompts(path: str | Path, *, skip_bad: int = 0) -> list[Prompt]:
    """One prompt a row, from any format that has prompts."""
    return load(Prompt, path, skip_bad=skip_bad).records


def load_judged(path: str | Path, *, skip_bad: int = 0) -> list[Judged]:
    """Completions with a yes or no; of a preference, chosen is a yes and rejected a no."""
    return load(Judged, path, skip_bad=skip_bad).records


def load_rewarded(path: str | Path, *, skip_bad: int = 0) -> list[Rewarded]:
    """Completions with a ``reward``; of a preference, chosen is worth +1 and rejected −1."""
    return load(Rewarded, path, skip_bad=skip_bad).records


def load_rankings(path: str | Path, *, skip_bad: int = 0) -> list[Ranking]:
    """K ranked completions a row."""
    return load(Ranking, path, skip_bad=skip_bad).records


def load_ratings(path: str | Path, *, skip_bad: int = 0) -> list[Rating]:
    """Completions rated on named axes."""
    return load(Rating, path, skip_bad=skip_bad).records


def load_stepwise(path: str | Path, *, skip_bad: int = 0) -> list[Stepwise]:
    """Completions in labelled steps."""
    return load(Stepwise, path, skip_bad=skip_bad).records


def load_voted_pairs(path: str | Path, *, skip_bad: int = 0) -> list[VotedPair]:
    """Pairs with every vote kept."""
    return load(VotedPair, path, skip_bad=skip_bad).records
