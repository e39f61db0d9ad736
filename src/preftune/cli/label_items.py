"""Items from dataset files, and which of them to ask about."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from preftune.data import read_table
from preftune.feedback.kinds.comparison import WORDS
from preftune.feedback.selection import BYS, choose, diversified, informativeness
from preftune.feedback.store.incoming import item_of
from preftune.feedback.store.nouns import ORIGINS, NewItem, Project
from preftune.feedback.store.past import PastVote
from preftune.records import BadInput

VOTES = ("a", "b", "tie", "both_bad")
VOTE_FIELDS = frozenset({"annotator", "vote", "strength", "group", "origin", "shown_first"})


def items_and_votes(
    file: str, project: Project, origin: str, *, skip_bad: int = 0
) -> tuple[list[NewItem], list[PastVote]]:
    """The items of a dataset file, and the votes its rows hold. Raises BadInput with the line.

    A vote is an object with ``annotator`` and ``vote`` (a, b, tie or both_bad), and may have
    ``strength`` (1, 2, … or its word), ``group``, ``origin`` and ``shown_first`` (a or b). A
    ``gold`` in such a row, which is no answer, stays a column.
    """
    if origin not in ORIGINS:
        raise BadInput(
            f"A vote's origin cannot be {origin!r}.", remedy=f"Use {', '.join(ORIGINS)}."
        )
    separator = str(project.question.get("separator", "\n"))
    scale = str(project.question.get("scale", "7-point"))
    found, votes = [], []
    for row in read_table(file, skip_bad=skip_bad).rows:
        given = row.columns.get("votes")
        kept = {} if given is None else {"gold": row.columns.get("gold")}
        try:
            item = item_of({**row.columns, **{name: None for name in kept}},
                           separator=separator, line=row.line)  # fmt: skip
            told = {name: value for name, value in kept.items() if value is not None}
            found.append(replace(item, columns={**item.columns, **told}))
            votes += [_vote(item.id, vote, scale, origin) for vote in given or ()]
        except BadInput as error:
            error.file, error.line = file, row.line
            raise
    return found, votes


def _vote(item: str, given: Any, scale: str, origin: str) -> PastVote:
    fields = given if isinstance(given, Mapping) else {}
    vote, strength = fields.get("vote"), fields.get("strength")
    if vote not in VOTES or fields.get("annotator") is None:
        raise BadInput(
            "A vote has no annotator, or says none of the words.",
            remedy=f'Give "annotator" and "vote": {", ".join(VOTES)}.',
        )
    answer: dict[str, Any] = {"both_bad": True} if vote == "both_bad" else {"choice": vote}
    words = WORDS.get(scale, ())
    if vote in ("a", "b") and strength is not None and scale != "2-way":
        answer["strength"] = words.index(strength) + 1 if strength in words else strength
    first = {"a": (0, 1), "b": (1, 0)}.get(str(fields.get("shown_first")), ())
    more = {name: value for name, value in fields.items() if name not in VOTE_FIELDS}
    by = str(fields.get("origin") or origin)
    if by not in ORIGINS:
        raise BadInput(f"A vote's origin is {by!r}.", remedy=f"Use {', '.join(ORIGINS)}.")
    return PastVote(
        item=item,
        annotator=str(fields["annotator"]),
        answer=answer,
        group=str(fields.get("group") or ""),
        origin=by,
        order=first,
        more=more,
    )


def chosen_items(
    candidates: Sequence[NewItem], count: int, draw: Mapping[str, Any]
) -> list[NewItem]:
    """``count`` of them: ``draw`` has by, scores, diversity, random_share and seed."""
    by = draw["by"]
    if by not in BYS:
        raise BadInput(f"Items cannot be chosen by {by!r}.", remedy=f"Use {', '.join(BYS)}.")
    rng = np.random.default_rng(draw["seed"])
    if by == "random":
        return choose(candidates, np.zeros(len(candidates)), count, random_share=1.0, rng=rng)
    column = draw["scores"]
    missing = [item.id for item in candidates if not isinstance(item.columns.get(column), list)]
    if missing:
        raise BadInput(
            f'The item "{missing[0]}" has no column "{column}" with its scores.',
            remedy="Give [[a, b], …]: the two responses' scores by each reward model.",
        )
    try:
        table = np.array([item.columns[column] for item in candidates], dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput(f'The column "{column}" does not hold numbers in one shape.') from None
    values = informativeness(np.moveaxis(table, 0, 1) if table.ndim == 3 else table, by)
    cells = draw["diversity"]
    if cells is not None:
        values = diversified(values, [str(item.columns.get(cells, "")) for item in candidates])
    return choose(candidates, values, count, random_share=draw["random_share"], rng=rng)
