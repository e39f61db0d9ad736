"""A table of checkpoints and runs from comparisons between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from preftune.records import BadInput, Estimate
from preftune.stats.bradley_terry import davidson
from preftune.stats.clusters import Clusters, shares
from preftune.stats.elo import elo_estimates


@dataclass(frozen=True, slots=True)
class Standing:
    """One checkpoint or run."""

    name: str
    rating: Estimate
    """Bradley–Terry with ties on Elo's scale, mean of all 1000."""
    elo: Estimate
    """Sequential Elo, median over random orders."""
    rank: tuple[int, int]
    """Best and worst place its differences to the others allow (95 % each)."""
    wins: int
    ties: int
    losses: int


@dataclass(frozen=True, slots=True)
class Standings:
    """Best rating first."""

    rows: tuple[Standing, ...]
    tie: float | None
    """Davidson's ν."""
    warning: str
    """Where comparisons alone do not fix the ratings."""


def standings(
    first: Sequence[str],
    second: Sequence[str],
    outcomes: ArrayLike,
    clusters: Clusters | None = None,
    *,
    rng: np.random.Generator,
) -> Standings:
    """Ratings of everything compared, with intervals clustered by prompt.

    ``outcomes``: 1 the first won, .5 tie, 0 the second. Two that differ by an interval which holds
    0 may stand in either order: a rank is 1 + how many are certainly better, to n − how many are
    certainly worse. BadInput when lengths differ or a name meets itself.
    """
    y = shares(outcomes, "outcomes")
    if not len(first) == len(second) == y.size:
        raise BadInput("A comparison needs a first, a second and an outcome.")
    names = sorted({*first, *second})
    codes = {name: place for place, name in enumerate(names)}
    one, two = (np.array([codes[name] for name in side]) for side in (first, second))
    fit = davidson(one, two, y, count=len(names), clusters=clusters)
    elos = elo_estimates(one, two, y, rng=rng, count=len(names), clusters=clusters)
    ratings = fit.elo()
    rows = []
    for place, name in enumerate(names):
        gaps = [fit.difference(place, other) for other in range(len(names)) if other != place]
        better = sum(gap.high < 0 for gap in gaps)
        worse = sum(gap.low > 0 for gap in gaps)
        own = np.concatenate([y[one == place], 1 - y[two == place]])
        rows.append(
            Standing(
                name,
                ratings[place],
                elos[place],
                (1 + better, len(names) - worse),
                int((own == 1).sum()),
                int((own == 0.5).sum()),
                int((own == 0).sum()),
            )
        )
    rows.sort(key=lambda row: -row.rating.value)
    return Standings(tuple(rows), fit.tie, fit.warning)
