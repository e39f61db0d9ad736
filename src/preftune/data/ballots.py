"""The votes of a file, for looking at the voters: whatever the responses are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preftune.data import parsing
from preftune.data.faults import Fault, RowFault, refuse
from preftune.data.formats import Format, format_among
from preftune.data.tables import scan
from preftune.records import BadInput, Vote


@dataclass(frozen=True, slots=True)
class Ballot:
    """One row of a votes file."""

    line: int
    columns: Mapping[str, Any]
    votes: tuple[Vote, ...]


def load_ballots(path: str | Path, *, skip_bad: int = 0) -> list[Ballot]:
    """All rows of ``{"prompt","response_a","response_b","votes"}`` with their votes.

    An empty response, or two that are the same, spoil a row for training but not its votes: people
    were asked and answered. Raises BadInput when the file is of another format, when more than
    ``skip_bad`` rows lack a column or hold something else than votes, and when an annotator votes
    twice on a row.
    """
    table = scan(path)
    faults = list(table.faults)
    if table.rows:
        format_among((Format.VOTES,), [row.columns for row in table.rows], file=table.path)
    ballots = []
    for row in table.rows:
        try:
            parsing.require(row.columns, Format.VOTES)
            votes = parsing.votes_of(row.columns)
        except RowFault as fault:
            faults.append(Fault(row.line, fault.kind, fault.sentence))
            continue
        _once_each(votes, table.path, row.line)
        ballots.append(Ballot(row.line, row.columns, votes))
    refuse(faults, file=table.path, rows=table.count, skip_bad=skip_bad)
    return ballots


def _once_each(votes: tuple[Vote, ...], file: str, line: int) -> None:
    seen: set[str] = set()
    for vote in votes:
        if vote.annotator in seen:
            raise BadInput(
                f'"{vote.annotator}" votes twice on one pair.',
                file=file,
                line=line,
                remedy="Keep the last vote of each annotator.",
            )
        seen.add(vote.annotator)
