"""How often a score agrees with each annotator and each group of them, vote by vote."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from preftune.records import BadInput, Comparison, Estimate
from preftune.stats import share_estimate

FEWEST = 20
"""Votes an annotator or a group must have given."""


def agreement_by_annotator(
    gaps: ArrayLike, comparisons: Sequence[Comparison], fewest: int = FEWEST
) -> dict[str, dict[str, Estimate]]:
    """{``annotator`` or ``group``: {name: share of votes that go the score's way}}.

    ``gaps`` are scores of chosen minus rejected. Votes are read from the rows' own ``votes``; ties
    and "both bad" take no side and are left out; equal scores count half. Clustered by prompt.
    Empty where the rows carry no votes. BadInput when the lengths differ.
    """
    differences = np.asarray(gaps, dtype=np.float64)
    if differences.shape != (len(comparisons),):
        raise BadInput(f"There are {len(comparisons)} comparisons but {differences.size} scores.")
    seen: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for gap, row in zip(differences.tolist(), comparisons, strict=True):
        for vote in _votes(row):
            side = _for_chosen(row, str(vote.get("vote")))
            if side is None:
                continue
            agreed = 0.5 if gap == 0 else float((gap > 0) == side)
            named = [(kind, str(vote[kind])) for kind in ("annotator", "group") if vote.get(kind)]
            for key in named:
                seen.setdefault(key, []).append((agreed, row.prompt.id))
    found: dict[str, dict[str, Estimate]] = {}
    for (kind, name), votes in sorted(seen.items()):
        if len(votes) >= fewest:
            agreed_all, prompts = zip(*votes, strict=True)
            found.setdefault(kind, {})[name] = share_estimate(list(agreed_all), list(prompts))
    return found


def _votes(row: Comparison) -> list[Mapping[str, object]]:
    given = row.columns.get("votes")
    return [v for v in given if isinstance(v, Mapping)] if isinstance(given, list | tuple) else []


def _for_chosen(row: Comparison, vote: str) -> bool | None:
    """Whether a vote is for the chosen answer; None where it takes no side or sides are unknown."""
    sides = {"a": row.columns.get("response_a"), "b": row.columns.get("response_b")}
    text = sides.get(vote)
    if text is None or sides["a"] == sides["b"]:
        return None
    return bool(text == row.chosen)
