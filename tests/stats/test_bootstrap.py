"""The clustered bootstrap against closed forms and scipy's own."""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.special import ndtri

from preftune.records import BadInput, Estimate
from preftune.stats import bootstrap_bca_estimate, bootstrap_estimate, mean_estimate
from preftune.stats.bootstrap import bootstrap_totals, percentile_estimate


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).normal(size=40)
    one = bootstrap_estimate(np.mean, [values], rng=np.random.default_rng(1), resamples=200)
    two = bootstrap_estimate(np.mean, [values], rng=np.random.default_rng(1), resamples=200)
    other = bootstrap_estimate(np.mean, [values], rng=np.random.default_rng(2), resamples=200)
    assert one == two != other


def test_clustered_mean_agrees_with_the_closed_form() -> None:
    rng = np.random.default_rng(3)
    names = np.repeat(np.arange(80), 4)
    values = rng.normal(size=320) + rng.normal(size=80)[names]
    closed = mean_estimate(values, names)
    for bootstrap in (bootstrap_estimate, bootstrap_bca_estimate):
        drawn = bootstrap(np.mean, [values], names, rng=np.random.default_rng(4))
        assert (drawn.value, drawn.count) == (closed.value, 80)
        assert (drawn.low, drawn.high) == pytest.approx((closed.low, closed.high), abs=0.04)
    rows = bootstrap_estimate(np.mean, [values], rng=np.random.default_rng(4))
    assert rows.high - rows.low < 0.75 * (closed.high - closed.low)


def test_whole_clusters_are_drawn_together() -> None:
    # Within a cluster a − b cancels exactly, so resampling whole clusters never sees a spread.
    names = np.repeat(np.arange(10), 2)
    values = np.tile([1.0, -1.0], 10)
    found = bootstrap_estimate(np.mean, [values], names, rng=np.random.default_rng(5))
    assert found == Estimate(0.0, 0.0, 0.0, 10)
    same = bootstrap_bca_estimate(np.mean, [values], names, rng=np.random.default_rng(5))
    assert same == found


@pytest.mark.parametrize("rows", [12, 60])
def test_bca_against_scipy_on_a_skewed_and_biased_statistic(rows: int) -> None:
    values = np.random.default_rng(6).exponential(size=rows)
    oracle = scipy_stats.bootstrap(
        (values,), np.var, n_resamples=6000, rng=np.random.default_rng(7), vectorized=False
    ).confidence_interval
    ours = bootstrap_bca_estimate(np.var, [values], rng=np.random.default_rng(8), resamples=6000)
    plain = bootstrap_estimate(np.var, [values], rng=np.random.default_rng(8), resamples=6000)
    assert (ours.low, ours.high) == pytest.approx((oracle.low, oracle.high), rel=0.06)
    assert plain.high < 0.93 * ours.high  # the percentile interval is visibly elsewhere


def test_statistics_of_two_arrays() -> None:
    rng = np.random.default_rng(9)
    a, b = rng.normal(2, 0.1, size=100), rng.normal(4, 0.1, size=100)

    def ratio(x: np.ndarray, y: np.ndarray) -> float:
        return float(x.mean() / y.mean())

    found = bootstrap_estimate(ratio, [a, b], rng=np.random.default_rng(10), resamples=500)
    assert found.low < 0.5 < found.high and found.high - found.low < 0.02


def test_bad_input() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(BadInput, match="arrays of one length"):
        bootstrap_estimate(np.mean, [[1.0], [1.0, 2.0]], rng=rng)
    with pytest.raises(BadInput, match="at least two independent units, not 1"):
        bootstrap_estimate(np.mean, [[1.0, 2.0]], ["a", "a"], rng=rng)
    with pytest.raises(BadInput, match="at least two independent units, not 0"):
        bootstrap_estimate(np.mean, [[]], rng=rng)
    with pytest.raises(BadInput, match="on only 0 of 50 resamples"):
        bootstrap_estimate(lambda x: float("nan"), [[1.0, 2.0]], rng=rng, resamples=50)


def test_totals_are_sums_of_drawn_clusters() -> None:
    """Mean G m, variance G (m₂ − m²) of each column, and columns stay together."""
    sums = np.array([[1.0, 10.0], [2.0, 20.0], [2.0, 20.0], [7.0, 70.0]])
    drawn = bootstrap_totals(sums, rng=np.random.default_rng(0), resamples=20_000)
    assert drawn[:, 1] == pytest.approx(10 * drawn[:, 0])
    assert drawn[:, 0].mean() == pytest.approx(12, abs=0.1)
    assert drawn[:, 0].var() == pytest.approx(4 * (58 / 4 - 9), rel=0.03)


def test_few_clusters_widen_the_percentiles() -> None:
    """Normal values: the ends are ±√(G/(G−1)) t; for many clusters ±1.96."""
    drawn = ndtri(np.linspace(0, 1, 200_001)[1:-1])
    many = percentile_estimate(0.0, drawn, 10**6)
    few = percentile_estimate(0.0, drawn, 10)
    assert many.high == pytest.approx(1.95996, abs=1e-3)
    assert few.high == pytest.approx((10 / 9) ** 0.5 * 2.262157, abs=1e-3)
    assert few.low == pytest.approx(-few.high, abs=1e-3)
    assert np.isnan(percentile_estimate(0.0, drawn, 1).low)
    assert np.isnan(percentile_estimate(0.0, np.full(10, np.nan), 10).high)
