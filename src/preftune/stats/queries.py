"""Which pairs are worth a person's judgment: those an ensemble disagrees about, and some at random.

A pair is two trajectory segments or two completions of one prompt; nothing here knows which.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, gammaln

from preftune.records import BadInput
from preftune.stats.clusters import Clusters, Floats, cluster_codes, column


class Selection(NamedTuple):
    """Chosen pairs, each by its place in the pool, those at random first."""

    places: NDArray[np.int64]
    at_random: NDArray[np.bool_]
    """True where chance chose: these alone are a fair sample of the pool, to evaluate on."""
    inclusion: Floats
    """The probability that this pair was chosen, by chance or for its disagreement. 1/inclusion
    weighs a chosen pair for a mean over the pool, as far as every pair has a chance."""


def pairs_within(clusters: Clusters) -> NDArray[np.int64]:
    """All pairs (i, j), i < j, of rows with one cluster name (candidates of one prompt), [P, 2]."""
    codes = cluster_codes(clusters, len(clusters))
    rows: dict[int, list[int]] = {}
    for row, code in enumerate(codes.tolist()):
        rows.setdefault(code, []).append(row)
    pairs = [pair for members in rows.values() for pair in combinations(members, 2)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def preference_disagreement(scores: ArrayLike, pairs: NDArray[np.int64]) -> Floats:
    """Population variance over members of σ(s_i − s_j), the predicted preference, one a pair.

    ``scores`` is members × rows, raw scores of a Bradley–Terry ensemble (Christiano et al. 2017,
    §2.2.4).
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or len(table) < 2:
        raise BadInput(
            f"Disagreement needs the scores of two members or more, not shape {table.shape}.",
            remedy="Train an ensemble, or choose pairs at random.",
        )
    if not bool(np.isfinite(table).all()):
        raise BadInput("The members' scores must be finite.")
    preferences = expit(table[:, pairs[:, 0]] - table[:, pairs[:, 1]])
    return preferences.var(axis=0)


def select_queries(
    disagreement: ArrayLike, count: int, *, random_share: float, rng: np.random.Generator
) -> Selection:
    """``count`` pairs of the pool: round(ε · count) at random, then the most disputed of the rest.

    The random ones are drawn first, uniformly and without replacement, so they are a fair sample
    whatever the ensemble thinks. Equal disagreement: the earlier pair. With N pairs, n at random
    and k for disagreement, a pair with r more disputed ones before it is chosen with probability

        n/N + (1 − n/N) · P(R > r − k),  R ~ hypergeometric: how many of those r chance took.
    """
    disputed = column(disagreement, "disagreements")
    if not 0 < count <= disputed.size or not 0 <= random_share <= 1:
        raise BadInput(
            f"Cannot choose {count} of {disputed.size} pairs with a share of {random_share:g} at "
            "random.",
            remedy="Choose at least one and at most all, with a share between 0 and 1.",
        )
    size, by_chance = disputed.size, round(random_share * count)
    order = np.argsort(-disputed, kind="stable")
    lucky = rng.choice(size, by_chance, replace=False)
    rest = order[~np.isin(order, lucky)][: count - by_chance]
    places = np.concatenate([lucky, rest]).astype(np.int64)
    rank = np.empty(size, dtype=np.int64)
    rank[order] = np.arange(size)
    return Selection(
        places=places,
        at_random=np.arange(count) < by_chance,
        inclusion=_inclusion(rank[places], size, by_chance, count - by_chance),
    )


def _inclusion(rank: NDArray[np.int64], size: int, by_chance: int, disputed: int) -> Floats:
    lucky = by_chance / size
    if disputed == 0 or lucky == 1:
        return np.full(rank.size, lucky)
    before, taken = rank[:, None], np.arange(by_chance + 1)
    logs = (
        _log_binomial(before, taken)
        + _log_binomial(size - 1 - before, by_chance - taken)
        - _log_binomial(np.array(size - 1), np.array(by_chance))
    )
    enough = np.where(taken > before - disputed, np.exp(logs), 0.0).sum(axis=1)
    return np.asarray(lucky + (1 - lucky) * enough, dtype=np.float64)


def _log_binomial(n: NDArray[np.int64], k: NDArray[np.int64]) -> Floats:
    """log C(n, k), minus infinity where there is no such choice."""
    possible = (k >= 0) & (k <= n)
    inside = np.where(possible, k, 0)
    logs = gammaln(n + 1) - gammaln(inside + 1) - gammaln(n - inside + 1)
    return np.where(possible, logs, -np.inf)
