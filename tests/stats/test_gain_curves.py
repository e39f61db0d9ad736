"""Known α and β come back, and intervals cover."""

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats.gain_curves import GainCurve, Shape, compare_shapes, gain_curve

D = np.linspace(0.3, 6, 12)
TRUE: dict[Shape, tuple[float, float]] = {"best_of_n": (1.0, 0.15), "reinforcement": (1.0, 0.55)}


def truth(shape: Shape, d: np.ndarray | float) -> np.ndarray:
    a, b = TRUE[shape]
    d = np.asarray(d, dtype=float)
    return d * (a - b * (d if shape == "best_of_n" else np.log(d)))


def peak(shape: Shape) -> float:
    a, b = TRUE[shape]
    return a / (2 * b) if shape == "best_of_n" else float(np.exp(a / b - 1))


@pytest.mark.parametrize("shape", TRUE)
def test_an_exact_curve_comes_back(shape: Shape) -> None:
    fit = gain_curve(shape, [0.0, *D], [0.0, *truth(shape, D)], np.full(13, 1e-6))
    assert fit.coefficients == pytest.approx(TRUE[shape], abs=1e-5)
    found = fit.peak_distance()
    assert found is not None and found.value == pytest.approx(peak(shape), rel=1e-4)
    a, b = TRUE[shape]
    height = a * a / (4 * b) if shape == "best_of_n" else b * peak(shape)
    top = fit.peak_gain(rng=np.random.default_rng(0))
    assert top is not None and top.value == pytest.approx(height, rel=1e-4)
    past, lost = fit.past_peak(6.0), fit.lost(6.0, rng=np.random.default_rng(0))
    assert past is not None and past.value == pytest.approx(6 / peak(shape), rel=1e-4)
    assert lost is not None
    assert lost.value == pytest.approx(height - float(truth(shape, 6.0)), abs=1e-4)
    before = fit.lost(1.0, rng=np.random.default_rng(0))
    assert before is not None and before.high == 0.0


@pytest.mark.parametrize("shape", TRUE)
def test_no_other_distance_gains_more_than_the_peak(shape: Shape) -> None:
    fit = gain_curve(shape, D, truth(shape, D))
    where, top = fit.peak_distance(), fit.peak_gain(rng=np.random.default_rng(0))
    assert where is not None and top is not None
    grid = np.linspace(0.1, 8, 20000)
    gains = truth(shape, grid)
    assert where.value == pytest.approx(grid[gains.argmax()], abs=1e-3)
    assert top.value == pytest.approx(gains.max(), abs=1e-6)
    assert fit.residual == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("shape", TRUE)
def test_coverage_over_500_simulations(shape: Shape, known: bool) -> None:
    rng = np.random.default_rng(1)
    inside = np.zeros(5)
    top = float(truth(shape, peak(shape)))
    for _ in range(500):
        gains = truth(shape, D) + rng.normal(0, 0.08, D.size)
        fit = gain_curve(shape, D, gains, np.full(D.size, 0.08) if known else None)
        where, height = fit.peak_distance(), fit.peak_gain(rng=rng)
        assert where is not None and height is not None
        for place, (one, true) in enumerate(
            (
                (fit.alpha, TRUE[shape][0]),
                (fit.beta, TRUE[shape][1]),
                (where, peak(shape)),
                (height, top),
                (fit.gain(5.0), float(truth(shape, 5.0))),
            )
        ):
            inside[place] += one.low <= true <= one.high
    assert (inside / 500 >= 0.92).all() and (inside / 500 <= 0.98).all(), inside / 500


def test_the_true_shape_is_preferred() -> None:
    rng = np.random.default_rng(2)
    for shape in TRUE:
        wins = 0
        for _ in range(40):
            gains = truth(shape, D) + rng.normal(0, 0.02, D.size)
            found = compare_shapes(D, gains)
            wins += found.curves[0].shape == shape
            assert sum(found.weights) == pytest.approx(1)
        assert wins >= 30, shape
    lifted = 0.5 + truth("best_of_n", D) + rng.normal(0, 0.02, D.size)
    assert compare_shapes(D, lifted).curves[0].shape == "parabola"


def test_aic_by_hand() -> None:
    """Known errors: χ² + 2k + 2k(k + 1)/(n − k − 1), n = 12, k = 2."""
    gains = truth("best_of_n", D) + np.tile([0.1, -0.1], 6)
    fit = gain_curve("best_of_n", D, gains, np.full(12, 0.1))
    left = gains - D * (fit.coefficients[0] - fit.coefficients[1] * D)
    assert fit.aic == pytest.approx(np.sum((left / 0.1) ** 2) + 4 + 12 / 9)
    free = gain_curve("best_of_n", D, gains)
    assert free.aic == pytest.approx(12 * np.log(np.mean(left**2)) + 6 + 24 / 8)
    assert free.residual == pytest.approx(np.mean(left**2) ** 0.5)


def test_what_never_turns() -> None:
    fit = gain_curve("best_of_n", D, D + 0.05 * D**2)
    assert fit.peak_distance() is None and fit.past_peak(3) is None
    assert fit.peak_gain(rng=np.random.default_rng(0)) is None
    assert gain_curve("best_of_n", D, -D).peak_distance() is None
    growing = gain_curve("reinforcement", D, D * (0.5 + 0.1 * np.log(D)))
    assert growing.peak_distance() is None
    open_: GainCurve = gain_curve(
        "best_of_n", D[:4], 1.0 * D[:4] - 0.05 * D[:4] ** 2, np.full(4, 0.3)
    )
    found = open_.peak_distance()
    assert found is not None and found.high == np.inf
    past = open_.past_peak(2.0)
    assert past is not None and past.low == 0.0


def test_mistakes_are_named() -> None:
    with pytest.raises(BadInput, match="needs more different distances"):
        gain_curve("best_of_n", [0, 1, 1], [0, 1, 1])
    with pytest.raises(BadInput, match="3 distances but 2 gains"):
        gain_curve("reinforcement", [1, 2, 3], [1, 2])
    with pytest.raises(BadInput):
        gain_curve("best_of_n", [1, 2, float("inf")], [1, 2, 3])
    with pytest.raises(BadInput, match="at least 0"):
        gain_curve("best_of_n", [-1, 1, 2], [0, 1, 1])
    with pytest.raises(BadInput, match="standard error above 0"):
        gain_curve("best_of_n", D, D, np.zeros(12))
    with pytest.raises(BadInput, match="Too few points"):
        compare_shapes([1, 2, 3], [1, 2, 2.5], [0.1] * 3, shapes=("best_of_n",))
