"""Where an answer stood on the screen: what labels and scores make of the side shown first."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from preftune.records import Comparison

Floats = NDArray[np.float64]


def shown_first(comparison: Comparison) -> float | None:
    """How often the chosen answer was shown first less how often the rejected was, −1 to 1.

    From the votes' ``shown_first`` (a or b of the row's own order) where they say it; else
    ``response_a`` of a pair with votes counts as first. None where the row does not say.
    """
    first = comparison.columns.get("response_a")
    if not isinstance(first, str):
        return None
    sign = 1.0 if first == comparison.chosen else -1.0
    votes = comparison.columns.get("votes")
    told = [
        1.0 if vote["shown_first"] == "a" else -1.0
        for vote in (votes if isinstance(votes, Sequence) else ())
        if isinstance(vote, Mapping) and vote.get("shown_first") in ("a", "b")
    ]
    return sign * (sum(told) / len(told) if told else 1.0)


def sides(comparisons: Sequence[Comparison]) -> tuple[Floats, list[int]]:
    """1 where the chosen answer was shown first more often, −1 where the rejected one; and the
    rows these are of: those that say it and are not even."""
    found = [(place, shown_first(comparison)) for place, comparison in enumerate(comparisons)]
    rows = [place for place, side in found if side]
    signs = [float(np.sign(side)) for _, side in found if side]
    return np.array(signs, dtype=np.float64), rows
