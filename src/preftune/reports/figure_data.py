"""The numbers behind a picture, as a file that a page can hand out without a server."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from preftune.records import Estimate
from preftune.reports.reading import Row, number

Cell = str | float | int | None


@dataclass(frozen=True, slots=True)
class Data:
    """A table: column names and rows. Numbers are as they were read, not rounded for the eye."""

    head: tuple[str, ...]
    body: tuple[tuple[Cell, ...], ...]

    @property
    def text(self) -> str:
        """The table as CSV; what is unknown is left empty."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(self.head)
        writer.writerows([["" if cell is None else cell for cell in row] for row in self.body])
        return file.getvalue()

    @property
    def address(self) -> str:
        """The file as a ``data:`` address."""
        return "data:text/csv;charset=utf-8," + quote(self.text, safe=",")


def of_metrics(rows: Sequence[Row], names: Sequence[str]) -> Data:
    """Every row of ``metrics.jsonl`` that has one of these metrics, with its interval's ends."""
    ends = [f"{name}_{end}" for name in names for end in ("low", "high")]
    columns = [*names, *(end for end in ends if any(end in row for row in rows))]
    kept = [row for row in rows if any(name in row for name in names)]
    body = tuple((int(row["step"]), *(number(row.get(name)) for name in columns)) for row in kept)
    return Data(("step", *columns), body)


def of_estimates(named: Sequence[tuple[str, Estimate]]) -> Data:
    """Values with their 95 % intervals and counts."""
    return Data(("what", "value", "low", "high", "count"), tuple((n, *e) for n, e in named))


def file_name(*parts: str) -> str:
    """``ppo-kl-to-the-reference.csv``."""
    words = re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower()).strip("-")
    return f"{words}.csv"
