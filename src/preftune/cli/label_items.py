"""Items from dataset files, and which of them to ask about."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from preftune.data import read_table
from preftune.feedback.selection import BYS, choose, diversified, informativeness
from preftune.feedback.store.incoming import item_of
from preftune.feedback.store.nouns import NewItem, Project
from preftune.records import BadInput


def items_in(file: str, project: Project, *, skip_bad: int = 0) -> list[NewItem]:
    """The items of a dataset file, one a row. Raises BadInput with file and line."""
    separator = str(project.question.get("separator", "\n"))
    found = []
    for row in read_table(file, skip_bad=skip_bad).rows:
        try:
            found.append(item_of(row.columns, separator=separator, line=row.line))
        except BadInput as error:
            error.file = file
            raise
    return found


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
