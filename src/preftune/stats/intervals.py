"""Means and shares with 95 % intervals that respect which rows belong together.

Two completions of one prompt, or ten comparisons of one debate, are not independent. All
intervals here are cluster-robust: the spread is measured between clusters (prompts, seeds), never
between rows, and an estimate's ``count`` is the number of clusters.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from preftune.records import BadInput, Estimate
from preftune.stats.clusters import Clusters, Floats, cluster_codes, cluster_sums, column, shares


def mean_estimate(
    values: ArrayLike, clusters: Clusters | None = None, *, level: float = 0.95
) -> Estimate:
    """The mean over all rows with a cluster-robust t interval.

    For G clusters g, n rows x_i with mean m:
    variance = G/(G−1) · Σ_g (Σ_{i in g} (x_i − m))² / n², quantile t with G − 1 degrees of
    freedom. With one row a cluster this is the ordinary t interval. One cluster alone says nothing
    about spread: its interval is the bare value, and ``count`` 1 is the warning.
    """
    x = column(values)
    codes = cluster_codes(clusters, x.size)
    count = int(codes.max()) + 1
    mean = float(x.mean())
    if count == 1:
        return Estimate(mean, mean, mean, 1)
    half = float(stdtrit(count - 1, _upper(level))) * _variance(x, codes) ** 0.5
    return Estimate(mean, mean - half, mean + half, count)


def share_estimate(
    values: ArrayLike, clusters: Clusters | None = None, *, level: float = 0.95
) -> Estimate:
    """The mean of values in [0, 1] (right or wrong, won or lost or half), its interval there too.

    Wilson's interval for the effective number of rows n / D · (t_{n−1} / t_{G−1})², where the
    design effect D is the cluster-robust variance over that of a plain share, p(1−p)/(n−1)
    (Korn and Graubard 1998, with Wilson in place of Clopper–Pearson). Without clusters and with
    values 0 and 1 it is Wilson's interval exactly; it does not shrink to a point when every
    value is 1, as the t interval does. Where no spread was seen between clusters, each cluster
    counts as one row.
    """
    x = shares(values)
    codes = cluster_codes(clusters, x.size)
    count, rows = int(codes.max()) + 1, x.size
    share = float(x.mean())
    variance = _variance(x, codes) if count > 1 else 0.0
    effective = float(count)
    if variance > 1e-12:
        upper = _upper(level)
        few = float(stdtrit(rows - 1, upper) / stdtrit(count - 1, upper)) ** 2
        effective = share * (1 - share) / variance * rows / (rows - 1) * few
    low, high = _wilson(share, effective, level)
    return Estimate(share, low, high, count)


def wilson(successes: float, count: int, *, level: float = 0.95) -> Estimate:
    """``successes`` out of ``count`` independent trials (halves allowed) with Wilson's interval.

    E. B. Wilson 1927, without continuity correction. BadInput unless 0 <= successes <= count.
    """
    if count < 1 or not 0 <= successes <= count:
        raise BadInput(f"{successes:g} successes out of {count} trials is not a share.")
    share = successes / count
    low, high = _wilson(share, float(count), level)
    return Estimate(share, low, high, count)


def paired_difference(
    a: ArrayLike, b: ArrayLike, clusters: Clusters | None = None, *, level: float = 0.95
) -> Estimate:
    """Mean of a − b over the same rows, with the interval of the differences."""
    first, second = column(a), column(b)
    if first.size != second.size:
        raise BadInput(f"A paired difference needs equal lengths: {first.size} and {second.size}.")
    return mean_estimate(first - second, clusters, level=level)


def over_seeds(values: ArrayLike, *, level: float = 0.95) -> Estimate:
    """The mean over training seeds with a t interval: each seed is one independent unit."""
    return mean_estimate(values, level=level)


def spearman(a: ArrayLike, b: ArrayLike) -> float | None:
    """Rank correlation, equal values sharing their mean rank; None when either is constant."""
    first, second = ranks(column(a)), ranks(column(b))
    if first.size != second.size:
        raise BadInput(f"A correlation needs equal lengths: {first.size} and {second.size}.")
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.clip(np.corrcoef(first, second)[0, 1], -1.0, 1.0))


def _variance(x: Floats, codes: NDArray[np.int64]) -> float:
    """The cluster-robust variance of the mean of ``x``; at least two clusters."""
    sums = cluster_sums(x - x.mean(), codes)
    return float(sums.size / (sums.size - 1) * (sums @ sums) / x.size**2)


def _wilson(share: float, count: float, level: float) -> tuple[float, float]:
    z2 = float(ndtri(_upper(level))) ** 2 / count
    middle = (share + z2 / 2) / (1 + z2)
    half = float(np.sqrt(z2 * share * (1 - share) + z2 * z2 / 4)) / (1 + z2)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def _upper(level: float) -> float:
    if not 0 < level < 1:
        raise BadInput(f"The level of an interval is between 0 and 1, not {level:g}.")
    return (1 + level) / 2


def ranks(x: Floats) -> Floats:
    """1-based ranks; equal values share the mean of their places."""
    _, places, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: Floats = last - (counts - 1) / 2
    return means[places]
