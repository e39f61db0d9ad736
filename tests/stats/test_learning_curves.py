"""Power laws come back with honest intervals."""

import numpy as np
import pytest

from preftune.records import BadInput, Estimate
from preftune.stats.learning_curves import (
    Offer,
    best_purchase,
    fit_learning_curve,
    next_labels,
)

LABELS = np.array([250, 500, 1000, 2000, 4000, 8000])


def measured(values: np.ndarray, error: float) -> list[Estimate]:
    half = 1.959964 * error
    return [Estimate(float(v), float(v - half), float(v + half), 1000) for v in values]


def law(n: np.ndarray | float, c: float = 0.8, a: float = 2.0, b: float = 0.4) -> np.ndarray:
    return np.asarray(c - a * np.asarray(n, dtype=float) ** -b)


def test_an_exact_law_comes_back() -> None:
    curve = fit_learning_curve(
        LABELS, measured(law(LABELS), 1e-4), rng=np.random.default_rng(0), draws=200
    )
    assert curve.exponent == pytest.approx(0.4, abs=0.01)
    assert curve.ceiling == pytest.approx(0.8, abs=2e-3)
    assert curve.at(16_000).value == pytest.approx(float(law(16_000)), abs=1e-3)
    gain = curve.gain(8000, 1000)
    assert gain.value == pytest.approx(float(law(9000) - law(8000)), rel=0.05)
    needed = curve.labels_for(0.75)
    assert needed is not None and needed.value == pytest.approx(40 ** (1 / 0.4), rel=0.05)
    assert curve.labels_for(0.95) is None


def test_intervals_cover_the_extrapolation() -> None:
    rng = np.random.default_rng(1)
    inside, ahead = 0, 0
    for _ in range(150):
        noisy = law(LABELS) + rng.normal(0, 0.01, LABELS.size)
        curve = fit_learning_curve(LABELS, measured(noisy, 0.01), rng=rng, draws=200)
        inside += curve.at(4000).low <= law(4000) <= curve.at(4000).high
        gain = curve.gain(8000, 8000)
        ahead += gain.low <= law(16_000) - law(8000) <= gain.high
    assert inside / 150 >= 0.9
    assert ahead / 150 >= 0.85


def test_a_known_ceiling_holds() -> None:
    rising = law(LABELS, c=0.9, a=0.9, b=0.1)
    free = fit_learning_curve(LABELS, measured(rising, 0.01), rng=np.random.default_rng(0))
    held = fit_learning_curve(
        LABELS, measured(rising, 0.01), rng=np.random.default_rng(0), most=0.62
    )
    assert held.draws[:, 0].max() <= 0.62 < free.draws[:, 0].max()
    assert held.residual > free.residual


def test_the_next_thousand_in_points_and_money() -> None:
    curve = fit_learning_curve(
        LABELS, measured(law(LABELS), 2e-3), rng=np.random.default_rng(0), draws=300
    )
    bought = next_labels(curve, 8000, more=1000, cost_per_label=0.67)
    assert bought.cost == pytest.approx(670)
    assert bought.cost_per_point.value == pytest.approx(670 / (100 * bought.gain.value))
    assert bought.cost_per_point.low <= bought.cost_per_point.value <= bought.cost_per_point.high
    flat = fit_learning_curve(LABELS, measured(np.full(6, 0.7), 0.01), rng=np.random.default_rng(0))
    assert next_labels(flat, 8000, cost_per_label=1).cost_per_point.high == np.inf


def test_demonstrations_or_comparisons() -> None:
    rng = np.random.default_rng(0)
    steep = fit_learning_curve(LABELS, measured(law(LABELS), 1e-3), rng=rng)
    flat = fit_learning_curve(LABELS, measured(law(LABELS, a=0.2), 1e-3), rng=rng)
    offers = {"comparisons": Offer(steep, 2000, 0.5), "demonstrations": Offer(flat, 2000, 5.0)}
    found = best_purchase(offers, budget=1000)
    assert found.best == "comparisons" and found.probability > 0.99
    assert found.purchases["comparisons"].labels == 2000
    assert found.purchases["demonstrations"].labels == 200
    expected = law(4000) - law(2000) - (law(2200, a=0.2) - law(2000, a=0.2))
    assert found.lead.value == pytest.approx(float(expected), rel=0.1)
    assert found.lead.low > 0


def test_mistakes_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(BadInput, match="four different numbers"):
        fit_learning_curve([1, 2, 3, 3], measured(np.full(4, 0.5), 0.1), rng=rng)
    with pytest.raises(BadInput, match="wider than nothing"):
        fit_learning_curve(LABELS, measured(law(LABELS), 0.0), rng=rng)
    with pytest.raises(BadInput, match="6 numbers of labels but 2"):
        fit_learning_curve(LABELS, measured(law(LABELS), 0.1)[:2], rng=rng)
    curve = fit_learning_curve(LABELS, measured(law(LABELS), 0.1), rng=rng, draws=10)
    with pytest.raises(BadInput, match="at least two kinds"):
        best_purchase({"one": Offer(curve, 1, 1)}, budget=1)
