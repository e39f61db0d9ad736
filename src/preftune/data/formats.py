"""Which dataset format a file has: TRL's column names, and ours where TRL has none."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from preftune.data.cells import nearest
from preftune.records import BadInput


class Format(StrEnum):
    """The dataset formats, by what a row holds."""

    VOTES = "votes"
    RANKING = "ranking"
    RATING = "rating"
    STEPWISE = "stepwise"
    UNPAIRED = "unpaired"
    PREFERENCE = "preference"
    PREFERENCE_IMPLICIT = "preference_implicit"
    PROMPT_COMPLETION = "prompt_completion"
    MESSAGES = "messages"
    PROMPT = "prompt"
    TEXT = "text"


COLUMNS: dict[Format, tuple[str, ...]] = {
    Format.VOTES: ("prompt", "response_a", "response_b", "votes"),
    Format.RANKING: ("prompt", "completions", "ranks"),
    Format.RATING: ("prompt", "completion", "ratings"),
    Format.STEPWISE: ("prompt", "completions", "labels"),
    Format.UNPAIRED: ("prompt", "completion", "label"),
    Format.PREFERENCE: ("prompt", "chosen", "rejected"),
    Format.PREFERENCE_IMPLICIT: ("chosen", "rejected"),
    Format.PROMPT_COMPLETION: ("prompt", "completion"),
    Format.MESSAGES: ("messages",),
    Format.PROMPT: ("prompt",),
    Format.TEXT: ("text",),
}
"""The columns each format must have, the most telling formats first."""

KNOWN_COLUMNS = frozenset(column for columns in COLUMNS.values() for column in columns)


def detect(rows: Sequence[Mapping[str, Any]], *, file: str | None = None) -> Format:
    """The format of these rows: the first in COLUMNS whose columns at least half the rows have.

    Raises BadInput when there is none, naming the columns found.
    """
    found = usual_columns(rows)
    for kind, needed in COLUMNS.items():
        if found.issuperset(needed):
            return kind
    raise _unknown(found, tuple(COLUMNS), file)


def format_among(
    accepted: Sequence[Format], rows: Sequence[Mapping[str, Any]], *, file: str | None = None
) -> Format:
    """The first of the ``accepted`` formats that the rows have; BadInput when they have none."""
    found = usual_columns(rows)
    for kind in accepted:
        if found.issuperset(COLUMNS[kind]):
            return kind
    raise _unknown(found, accepted, file)


def usual_columns(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """Columns that are there, and not null, in at least half of the rows."""
    shapes = Counter(
        tuple(row) if None not in row.values() else tuple(n for n in row if row[n] is not None)
        for row in rows
    )
    counts: Counter[str] = Counter()
    for names, times in shapes.items():
        counts.update(dict.fromkeys(names, times))
    return {name for name, count in counts.items() if 2 * count >= shapes.total()}


def missing_column(name: str, columns: Iterable[str]) -> str:
    """One sentence about a column that is not there, naming the most similar one."""
    near = nearest(name, (column for column in columns if column not in KNOWN_COLUMNS))
    hint = f'; is "{near}" meant' if near else ""
    return f'The row has no column "{name}"{hint}.'


def _unknown(found: set[str], accepted: Sequence[Format], file: str | None) -> BadInput:
    others = found - KNOWN_COLUMNS

    def closeness(kind: Format) -> float:
        needed = COLUMNS[kind]
        here = sum(1.0 if c in found else 0.9 if nearest(c, others) else 0.0 for c in needed)
        return here / len(needed)

    best = max(accepted, key=closeness)
    missing = [column for column in COLUMNS[best] if column not in found]
    columns = ", ".join(sorted(found)) or "none"
    forms = "; ".join(f"{{{', '.join(COLUMNS[kind])}}}" for kind in accepted)
    near = nearest(missing[0], others)
    rename = f'Rename "{near}" to "{missing[0]}", or give' if near else "Give"
    return BadInput(
        f'There is no column "{missing[0]}" (columns: {columns}).',
        file=file,
        line=1,
        remedy=f"{rename} rows of the form {forms}.",
    )
