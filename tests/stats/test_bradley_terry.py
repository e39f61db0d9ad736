"""Bradley–Terry and Davidson against choix, evalica, statsmodels and by hand."""

import choix
import evalica
import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize

from preftune.records import BadInput
from preftune.stats import bradley_terry, davidson
from preftune.stats.bradley_terry import POINTS, strongly_connected

NAMES = {1.0: evalica.Winner.X, 0.5: evalica.Winner.Draw, 0.0: evalica.Winner.Y}


def games(
    seed: int, n: int = 6, count: int = 400, tie: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Codes, outcomes drawn from Davidson's model, and its strengths (mean 0)."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=n)
    theta -= theta.mean()
    first = rng.integers(0, n, count)
    second = (first + rng.integers(1, n, count)) % n
    half = (theta[first] - theta[second]) / 2
    weight = np.stack([np.exp(half), np.full(count, tie), np.exp(-half)])
    edges = (weight / weight.sum(axis=0)).cumsum(axis=0)
    drawn = (rng.random(count) > edges).sum(axis=0)
    return first, second, 1 - drawn / 2, theta


def evalicas(method, first, second, outcomes):  # type: ignore[no-untyped-def]
    return method(
        [f"{code:03}" for code in first],
        [f"{code:03}" for code in second],
        [NAMES[float(y)] for y in outcomes],
        tolerance=1e-15,
        limit=100_000,
    )


@pytest.mark.parametrize("seed", range(5))
def test_half_ties_as_evalica(seed: int) -> None:
    first, second, y, _ = games(seed)
    theirs = np.log(evalicas(evalica.bradley_terry, first, second, y).scores.sort_index())
    found = bradley_terry(first, second, y)
    assert found.theta == pytest.approx((theirs - theirs.mean()).to_numpy(), abs=1e-6)
    assert found.warning == "" and found.ridge == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_wins_only_as_choix(seed: int) -> None:
    first, second, y, _ = games(seed, tie=0.0)
    pairs = [(a, b) if won else (b, a) for a, b, won in zip(first, second, y, strict=True)]
    theirs = choix.opt_pairwise(6, pairs, tol=1e-12)
    assert bradley_terry(first, second, y).theta == pytest.approx(theirs - theirs.mean(), abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_ties_as_newmans(seed: int) -> None:
    """Newman (2023) writes 2v for Davidson's ν."""
    first, second, y, _ = games(seed)
    theirs = evalicas(evalica.newman, first, second, y)
    theta = np.log(theirs.scores.sort_index())
    found = davidson(first, second, y)
    assert found.theta == pytest.approx((theta - theta.mean()).to_numpy(), abs=1e-6)
    assert found.tie == pytest.approx(2 * theirs.v, abs=1e-6)


def test_errors_as_statsmodels() -> None:
    """Logistic regression on the difference of model columns, the last model as reference."""
    first, second, y, _ = games(0, tie=0.0)
    design = np.zeros((y.size, 6))
    design[np.arange(y.size), first] += 1
    design[np.arange(y.size), second] -= 1
    fit = sm.Logit(y, design[:, :5]).fit(disp=0, tol=1e-12)
    found = bradley_terry(first, second, y)
    gaps = [found.difference(model, 5) for model in range(5)]
    assert [gap.value for gap in gaps] == pytest.approx(fit.params, abs=1e-6)
    widths = [
        found.covariance[m, m] + found.covariance[5, 5] - 2 * found.covariance[m, 5]
        for m in range(5)
    ]
    assert np.sqrt(widths) == pytest.approx(fit.bse, abs=1e-6)


def test_clustered_errors_as_statsmodels() -> None:
    first, second, y, _ = games(1, tie=0.0)
    clusters = np.arange(y.size) // 8
    design = np.zeros((y.size, 6))
    design[np.arange(y.size), first] += 1
    design[np.arange(y.size), second] -= 1
    fit = sm.GLM(y, design[:, :5], family=sm.families.Binomial()).fit(
        tol=1e-12, cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    found = bradley_terry(first, second, y, clusters=clusters)
    c = found.covariance
    robust = [c[m, m] + c[5, 5] - 2 * c[m, 5] for m in range(5)]
    factor = 50 / 49
    assert np.sqrt(np.array(robust) / factor) == pytest.approx(fit.bse, rel=1e-5)
    assert found.clusters == 50


def test_davidson_errors_are_the_curvature() -> None:
    """Against a numerical fit and Hessian of the likelihood written down anew."""
    first, second, y, _ = games(2, n=4)

    def loss(x: np.ndarray) -> float:
        theta, nu = np.append(x[:3], -x[:3].sum()), np.exp(x[3])
        a, b = np.exp(theta[first]), np.exp(theta[second])
        tie = nu * np.sqrt(a * b)
        chosen = np.select([y == 1, y == 0], [a, b], tie)
        return -float(np.log(chosen / (a + b + tie)).sum())

    found = davidson(first, second, y)
    at = np.append(found.theta[:3], np.log(found.tie or 0))
    best = minimize(loss, at, method="BFGS", options={"gtol": 1e-9})
    assert best.fun == pytest.approx(loss(at), abs=1e-6)
    step, size = 1e-4, 4
    hessian = np.empty((size, size))
    unit = np.eye(size) * step
    for i in range(size):
        for j in range(size):
            corners = [at + s * unit[i] + t * unit[j] for s in (1, -1) for t in (1, -1)]
            w, x, yy, z = map(loss, corners)
            hessian[i, j] = (w - x - yy + z) / (4 * step**2)
    covariance = np.linalg.inv(hessian)[:3, :3]
    assert found.covariance[:3, :3] == pytest.approx(covariance, rel=1e-3, abs=1e-5)
    clustered = davidson(first, second, y, clusters=np.arange(y.size))
    ratio = np.diag(clustered.covariance) / np.diag(found.covariance)
    assert ratio == pytest.approx(np.ones(4), abs=0.3)


def test_two_models_by_hand() -> None:
    """Three wins of four: θ₁ − θ₂ = log 3, P = .75, information 4 · .75 · .25."""
    found = bradley_terry([0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 0])
    gap = found.difference(0, 1)
    assert gap.value == pytest.approx(np.log(3))
    assert gap.high - gap.value == pytest.approx(3.182446 * (1 / 0.75) ** 0.5, rel=1e-5)
    assert found.beats(0, 1).value == pytest.approx(0.75)
    ratings = [one.value for one in found.elo()]
    assert ratings[0] - ratings[1] == pytest.approx(POINTS * np.log(3))
    assert sum(ratings) == pytest.approx(2000)
    tied = davidson([0] * 8, [1] * 8, [1, 1, 1, 0, 0.5, 0.5, 0.5, 0.5])
    assert tied.theta[0] - tied.theta[1] == pytest.approx(np.log(3))
    assert tied.tie == pytest.approx(4 / np.sqrt(3))


def test_order_and_sides_do_not_matter() -> None:
    first, second, y, _ = games(3)
    found = davidson(first, second, y)
    mixed = np.random.default_rng(0).permutation(y.size)
    turned = davidson(second[mixed], first[mixed], 1 - y[mixed])
    assert turned.theta == pytest.approx(found.theta, abs=1e-8)


def test_intervals_cover() -> None:
    inside = []
    for seed in range(100):
        first, second, y, theta = games(1000 + seed, n=4, count=300)
        found = davidson(first, second, y)
        inside += [
            one.low <= t <= one.high for one, t in zip(found.estimates(), theta, strict=True)
        ]
    assert 0.92 <= np.mean(inside) <= 0.98


def test_a_graph_in_pieces_is_said() -> None:
    found = bradley_terry([0, 1, 2, 3], [1, 0, 3, 2], [1, 1, 1, 1])
    assert "2 groups that were never compared" in found.warning and found.ridge == 0.1
    undefeated = davidson([0, 0, 1, 2, 1], [1, 2, 2, 1, 2], [1, 1, 1, 1, 0.5])
    assert "never lost" in undefeated.warning
    assert np.isfinite(undefeated.theta).all() and undefeated.theta[0] > 1
    assert strongly_connected([0, 1], [1, 2], [1, 1], 3) == (False, 1)
    assert strongly_connected([0, 1, 2], [1, 2, 0], [1, 1, 1], 3) == (True, 1)
    assert strongly_connected([0, 1], [1, 2], [0.5, 0.5], 4) == (False, 2)
    with pytest.raises(BadInput, match="no ridge holds them"):
        bradley_terry([0], [1], [1], ridge=0.0)


def test_the_ridge_is_a_prior() -> None:
    """One win, precision λ: 2 λ θ = 1 − σ(2 θ)."""
    theta = bradley_terry([0], [1], [1], ridge=0.5).theta[0]
    assert 0.5 * theta == pytest.approx(1 - 1 / (1 + np.exp(-2 * theta)), abs=1e-8)


def test_without_ties_davidson_is_bradley_terry() -> None:
    first, second, y, _ = games(4, tie=0.0)
    found = davidson(first, second, y)
    assert found.tie == 0.0
    assert found.theta == pytest.approx(bradley_terry(first, second, y).theta)


def test_mistakes_are_named() -> None:
    with pytest.raises(BadInput, match="with itself"):
        bradley_terry([0], [0], [1])
    with pytest.raises(BadInput, match="numbered from 0 to 1"):
        bradley_terry([0], [2], [1], count=2)
    with pytest.raises(BadInput, match="Every comparison is a tie"):
        davidson([0], [1], [0.5])
    with pytest.raises(BadInput, match="1 .won., 0.5"):
        davidson([0], [1], [0.3])
    with pytest.raises(BadInput, match="two independent units"):
        bradley_terry([0, 0], [1, 1], [1, 0], clusters=["p", "p"])
