"""Stopping as soon as the answer is known, looking after every comparison."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from preftune.records import BadInput, Estimate
from preftune.stats.clusters import Clusters, Floats, cluster_codes, shares

GRID = 801
"""Means tried, evenly over [0, 1]: a resolution of .00125."""
BLOCK = 128
"""Outcomes worked on at once."""
CAUTION = 0.5
"""At most half the capital is bet on one outcome."""


def confidence_sequence(outcomes: ArrayLike, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """Lower and upper ends after 1, 2, …, n outcomes; all hold at once with probability ``level``.

    The hedged capital process of Waudby-Smith and Ramdas (2023, §4.3) for independent outcomes in
    [0, 1] with one mean, whatever their distribution: for each mean m two gamblers start with half
    a coin and bet that the outcomes lie above or below it,

        K±_t(m) = Π_(i ≤ t) (1 ± λ_i^±(m) (x_i − m)),  λ^+ ≤ c / m,  λ^- ≤ c / (1 − m),

    with bets λ_i = √(2 log(2/α) / (s²_(i−1) i log(1 + i))) from the outcomes before. m is excluded
    for good once max(K⁺, K⁻) / 2 ≥ 1/α: by Ville's inequality the true mean ever is with
    probability at most α, so one may look as often as one likes. Costs n × 801.
    """
    x = shares(outcomes, "outcomes")
    if not 0 < level < 1:
        raise BadInput(f"The level is between 0 and 1, not {level:g}.")
    alpha = 1 - level
    bets = _bets(x, alpha)
    means = np.linspace(0, 1, GRID)
    with np.errstate(divide="ignore"):
        up_cap, down_cap = CAUTION / means, CAUTION / (1 - means)
    totals = np.zeros((2, GRID))
    alive = np.ones(GRID, dtype=np.bool_)
    low, high = np.zeros(x.size), np.ones(x.size)
    for start in range(0, x.size, BLOCK):
        here = slice(start, start + BLOCK)
        away, bet = x[here, None] - means, bets[here, None]
        up = totals[0] + np.cumsum(np.log1p(np.minimum(bet, up_cap) * away), axis=0)
        down = totals[1] + np.cumsum(np.log1p(-np.minimum(bet, down_cap) * away), axis=0)
        totals = np.stack([up[-1], down[-1]])
        standing = np.logical_and.accumulate(
            np.concatenate([alive[None], np.maximum(up, down) < np.log(2 / alpha)]), axis=0
        )[1:]
        alive = standing[-1]
        first = standing.argmax(axis=1) - 1
        last = GRID - standing[:, ::-1].argmax(axis=1)
        some = standing.any(axis=1)
        low[here] = np.where(some, means[np.maximum(first, 0)], np.nan)
        high[here] = np.where(some, means[np.minimum(last, GRID - 1)], np.nan)
    gone = np.isnan(low)
    if gone.any():  # no mean fits: the outcomes have no single one; the last interval stands
        place = max(int(np.flatnonzero(gone)[0]) - 1, 0)
        low[gone], high[gone] = low[place], high[place]
    return low, high


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where a sequence of comparisons could stop."""

    decision: Literal["better", "worse", "precise", "undecided"]
    units: int
    """Prompts (or comparisons) used."""
    win_rate: Estimate
    """Mean of those, with the interval of the confidence sequence at that moment."""


def sequential_win_rate(
    outcomes: ArrayLike,
    clusters: Clusters | None = None,
    *,
    against: float = 0.5,
    half_width: float | None = None,
    level: float = 0.95,
) -> Stopped:
    """The first moment the win rate is known to be above or below ``against``, or ± ``half_width``.

    Outcomes 1, .5 (tie), 0 in the order judged. With ``clusters`` (prompts, in order of first
    appearance) each cluster's mean is one outcome, so both orders of a pair, or several samples of
    a prompt, count once. Looking after each keeps the error rate: a policy with a true win rate of
    ``against`` is called better or worse with probability at most 1 − level, ever.
    """
    x = shares(outcomes, "outcomes")
    codes = cluster_codes(clusters, x.size)
    means = np.bincount(codes, weights=x) / np.bincount(codes)
    low, high = confidence_sequence(means, level=level)
    decided = (low > against) | (high < against)
    stop = decided if half_width is None else decided | (high - low <= 2 * half_width)
    place = int(np.flatnonzero(stop)[0]) if stop.any() else means.size - 1
    decision: Literal["better", "worse", "precise", "undecided"] = "undecided"
    if low[place] > against:
        decision = "better"
    elif high[place] < against:
        decision = "worse"
    elif stop[place]:
        decision = "precise"
    value = float(means[: place + 1].mean())
    ends = min(float(low[place]), value), max(float(high[place]), value)
    return Stopped(decision, place + 1, Estimate(value, *ends, place + 1))


def _bets(x: Floats, alpha: float) -> Floats:
    """λ_i from the outcomes before i, with half an outcome at ½ and variance ¼ to begin with."""
    n = np.arange(1, x.size + 1)
    mean = (0.5 + np.cumsum(x)) / (n + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2)) / (n + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    return np.sqrt(2 * np.log(2 / alpha) / (before * n * np.log(1 + n)))
