"""Elo ratings: games one after the other, the order matters."""

import numpy as np
from numpy.typing import ArrayLike

from preftune.records import BadInput, Estimate
from preftune.stats.bootstrap import percentile_estimate
from preftune.stats.clusters import Clusters, Floats, cluster_codes, shares
from preftune.stats.ratings import Ints

START = 1000.0
STEP = 4.0
"""K, as LMArena used it: small, so that ratings settle."""


def elo(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    *,
    count: int | None = None,
    step: float = STEP,
    start: float = START,
) -> Floats:
    """Ratings after all games in the order given (Elo 1978), (count,).

        E = 1 / (1 + 10^((R_second − R_first) / 400)),  R_first += K (S − E),  R_second −= K (S − E)

    ``outcomes`` are S: 1, .5 (tie) or 0. The sum of ratings never changes. For ratings that do
    not depend on the order use ``bradley_terry``.
    """
    one, two, s, n = _games(first, second, outcomes, count)
    return _play(one[None], two[None], s[None], n, step, start)[0]


def elo_estimates(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    *,
    rng: np.random.Generator,
    count: int | None = None,
    clusters: Clusters | None = None,
    resamples: int = 100,
) -> list[Estimate]:
    """Median rating over resamples of whole clusters played in random orders, with its interval.

    So the interval holds what the order alone does too.
    """
    one, two, s, n = _games(first, second, outcomes, count)
    codes = cluster_codes(clusters, s.size)
    groups = int(codes.max()) + 1
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    drawn = []
    for _ in range(resamples):
        chosen = np.concatenate([rows[g] for g in rng.integers(groups, size=groups)])
        rng.shuffle(chosen)
        drawn.append(chosen)
    longest = max(order.size for order in drawn)
    plays = np.full((resamples, longest), -1, dtype=np.int64)
    for place, order in enumerate(drawn):
        plays[place, : order.size] = order
    played = np.where(plays < 0, 0.0, 1.0)
    ratings = _play(one[plays], two[plays], s[plays], n, STEP * played, START)
    return [percentile_estimate(float(np.median(own)), own, groups) for own in ratings.T]


def _games(
    first: ArrayLike, second: ArrayLike, outcomes: ArrayLike, count: int | None
) -> tuple[Ints, Ints, Floats, int]:
    one, two = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    s = shares(outcomes, "outcomes")
    if one.shape != s.shape or two.shape != s.shape:
        raise BadInput("A game needs a first, a second and an outcome.")
    n = int(max(one.max(), two.max())) + 1 if count is None else count
    if min(one.min(), two.min()) < 0 or max(one.max(), two.max()) >= n:
        raise BadInput(f"Models are numbered from 0 to {n - 1}.")
    return one, two, s, n


def _play(one: Ints, two: Ints, s: Floats, n: int, step: float | Floats, start: float) -> Floats:
    """All rows' games side by side, (rows, n); ``step`` is K, one for all or (rows, games)."""
    rows = np.arange(one.shape[0])
    ratings = np.full((one.shape[0], n), start)
    steps = np.broadcast_to(np.asarray(step, dtype=np.float64), one.shape)
    by_game = (np.ascontiguousarray(table.T) for table in (one, two, s, steps))
    for a, b, scored, size in zip(*by_game, strict=True):
        gap = ratings[rows, a] - ratings[rows, b]
        change = size * (scored - 1 / (1 + 10 ** (-gap / 400)))
        ratings[rows, a] += change
        ratings[rows, b] -= change
    return ratings
