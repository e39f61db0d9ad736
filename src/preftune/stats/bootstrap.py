"""Intervals for any statistic, by drawing whole clusters again and again."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtrit

from preftune.records import BadInput, Estimate
from preftune.stats.clusters import Clusters, Floats, cluster_codes

Statistic = Callable[..., float]


def bootstrap_estimate(
    statistic: Statistic,
    data: Sequence[ArrayLike],
    clusters: Clusters | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> Estimate:
    """``statistic(*data)`` with the percentile interval of the clustered bootstrap.

    ``data`` are arrays of equal first dimension; whole clusters are drawn with replacement, and
    the statistic sees the rows of those drawn. Resamples where it is not finite are left out.
    BadInput when fewer than two clusters are given or most resamples have no finite value.
    """
    arrays, rows = _rows_of(data, clusters)
    value = float(statistic(*arrays))
    drawn = _resampled(statistic, arrays, rows, rng, resamples)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), len(rows))


def bootstrap_bca_estimate(
    statistic: Statistic,
    data: Sequence[ArrayLike],
    clusters: Clusters | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> Estimate:
    """Like ``bootstrap_estimate`` with the bias-corrected and accelerated interval (Efron 1987).

    Second-order accurate for skewed statistics. The acceleration comes from leaving out one
    cluster at a time. A statistic that never varies has the bare value as its interval.
    """
    arrays, rows = _rows_of(data, clusters)
    value = float(statistic(*arrays))
    drawn = _resampled(statistic, arrays, rows, rng, resamples)
    if float(np.ptp(drawn)) == 0.0:
        return Estimate(value, float(drawn[0]), float(drawn[0]), len(rows))
    below = (np.sum(drawn < value) + np.sum(drawn <= value)) / (2 * drawn.size)
    bias = float(ndtri(np.clip(below, 0.5 / drawn.size, 1 - 0.5 / drawn.size)))
    left_out = np.array(
        [statistic(*_take(arrays, rows[:place] + rows[place + 1 :])) for place in range(len(rows))],
        dtype=np.float64,
    )
    away = left_out.mean() - left_out
    spread = float(np.sum(away**2)) ** 1.5
    acceleration = float(np.sum(away**3)) / (6 * spread) if spread > 0 else 0.0
    shifted = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    ends = ndtr(bias + shifted / (1 - acceleration * shifted))
    low, high = np.quantile(drawn, ends)
    return Estimate(value, float(low), float(high), len(rows))


def bootstrap_totals(
    sums: Floats, *, rng: np.random.Generator, resamples: int = 2000, at_once: int = 200
) -> Floats:
    """Σ_g m_g sums[g] for each resample, m_g how often cluster g was drawn, (resamples, F).

    For statistics of sums over clusters: ``sums`` is (G, F). G draws of G clusters a resample;
    clusters with the same sums are drawn together, which makes it fast where few differ.
    """
    count = sums.shape[0]
    kinds, often = np.unique(sums, axis=0, return_counts=True)
    totals = []
    for begin in range(0, resamples, at_once):
        rows = min(at_once, resamples - begin)
        times = rng.multinomial(count, often / count, size=rows)
        totals.append(times.astype(np.float64) @ kinds)
    return np.concatenate(totals)


def percentile_estimate(
    value: float, drawn: Floats, clusters: int, *, level: float = 0.95
) -> Estimate:
    """The expanded percentile interval (Hesterberg 2015, §3.3) of resampled values.

    The quantiles are those of a normal at ±√(G/(G−1)) t_{G−1}, so that few clusters give a wider
    interval, as a t interval would. Resamples that are not finite are left out. When fewer than
    half remain, or there are fewer than two clusters, nothing is known of the spread: both ends
    are NaN (null in JSON).
    """
    finite = drawn[np.isfinite(drawn)]
    if clusters < 2 or finite.size * 2 < drawn.size:
        return Estimate(float(value), float("nan"), float("nan"), clusters)
    wide = (clusters / (clusters - 1)) ** 0.5 * float(stdtrit(clusters - 1, (1 + level) / 2))
    low, high = np.quantile(finite, [float(ndtr(-wide)), float(ndtr(wide))])
    return Estimate(float(value), min(float(low), value), max(float(high), value), clusters)


def _rows_of(
    data: Sequence[ArrayLike], clusters: Clusters | None
) -> tuple[list[NDArray[np.generic]], list[NDArray[np.int64]]]:
    """The data as arrays, and the row numbers of each cluster."""
    arrays = [np.asarray(item) for item in data]
    sizes = {array.shape[0] for array in arrays}
    if len(sizes) != 1:
        raise BadInput(f"A bootstrap needs arrays of one length, not of {sorted(sizes)}.")
    codes = cluster_codes(clusters, sizes.pop())
    count = int(codes.max(initial=-1)) + 1
    if count < 2:
        raise BadInput(
            f"A bootstrap needs at least two independent units, not {count}.",
            remedy="Measure on more prompts.",
        )
    order = np.argsort(codes, kind="stable")
    return arrays, np.split(order, np.cumsum(np.bincount(codes))[:-1])


def _take(
    arrays: list[NDArray[np.generic]], rows: Sequence[NDArray[np.int64]]
) -> list[NDArray[np.generic]]:
    chosen = np.concatenate(rows)
    return [array[chosen] for array in arrays]


def _resampled(
    statistic: Statistic,
    arrays: list[NDArray[np.generic]],
    rows: list[NDArray[np.int64]],
    rng: np.random.Generator,
    resamples: int,
) -> Floats:
    """The statistic on each resample, those that are not finite left out."""
    draws = rng.integers(len(rows), size=(resamples, len(rows)))
    values = np.array([statistic(*_take(arrays, [rows[g] for g in draw])) for draw in draws])
    finite = values[np.isfinite(values)]
    if finite.size * 2 < resamples:
        raise BadInput(
            f"The statistic has a value on only {finite.size} of {resamples} resamples.",
            remedy="Measure on more prompts.",
        )
    return finite
