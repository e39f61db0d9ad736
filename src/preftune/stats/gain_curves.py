"""How gold gain runs over distance, with intervals, and which shape it has (Gao et al. 2022).

d is √KL from the starting policy, the gain is gold minus its value at the start.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from preftune.records import BadInput, Estimate
from preftune.stats.clusters import Floats, column

Shape = Literal["best_of_n", "reinforcement", "parabola"]
SHAPES: tuple[Shape, ...] = ("best_of_n", "reinforcement", "parabola")
DRAWS = 4000


@dataclass(frozen=True, slots=True)
class GainCurve:
    """A curve that is linear in its coefficients: α, β, and of a parabola the height at d = 0."""

    shape: Shape
    coefficients: Floats
    """(α, β), of a parabola (α, β, γ)."""
    covariance: Floats
    points: int
    freedom: float
    """Degrees of freedom of the intervals; infinite where the gains' errors are known."""
    residual: float
    """Root mean square error, in the gain's unit."""
    aic: float
    """Akaike's criterion with the small-sample term (AICc); infinite with too few points."""

    @property
    def alpha(self) -> Estimate:
        """Gain a unit of distance at the start."""
        return self._coefficient(0)

    @property
    def beta(self) -> Estimate:
        """How fast it wears off."""
        return self._coefficient(1)

    def gain(self, distance: float) -> Estimate:
        """The curve at a distance, with the interval of the curve (not of a new measurement)."""
        row = _design(self.shape, np.array([distance]))[0]
        value = float(row @ self.coefficients)
        half = self._quantile() * float(row @ self.covariance @ row) ** 0.5
        return Estimate(value, value - half, value + half, self.points)

    def peak_distance(self) -> Estimate | None:
        """α / 2β, of the reinforcement curve exp(α/β − 1); None when α or β is not above 0.

        The interval is Fieller's (1954), exact for a ratio: it reaches to infinity where the data
        allow that the curve never turns.
        """
        a, b = float(self.coefficients[0]), float(self.coefficients[1])
        if b <= 0 or (a <= 0 and self.shape != "reinforcement"):
            return None
        low, high = _fieller(a, b, self.covariance[:2, :2], self._quantile())
        turn = _turn(self.shape)
        return Estimate(turn(a / b), turn(low), turn(high), self.points)

    def peak_gain(self, *, rng: np.random.Generator) -> Estimate | None:
        """The gain at the peak; None without one. Interval from draws of the fitted coefficients;
        infinite where a draw never turns."""
        found = self.peak_distance()
        if found is None:
            return None
        value = float(_heights(self.shape, self.coefficients[None])[0])
        return self._interval(value, _heights(self.shape, self._draws(rng)))

    def lost(self, distance: float, *, rng: np.random.Generator) -> Estimate | None:
        """How much gain a run at ``distance`` has lost since the peak; 0 before it."""
        if self.peak_distance() is None:
            return None
        row = _design(self.shape, np.array([distance]))[0]
        every = np.concatenate([self.coefficients[None], self._draws(rng)])
        past = distance > _tops(self.shape, every)
        heights = np.where(past, _heights(self.shape, every), 0.0)
        fallen = np.where(past, np.maximum(0.0, heights - every @ row), 0.0)
        return self._interval(float(fallen[0]), fallen[1:])

    def past_peak(self, distance: float) -> Estimate | None:
        """distance / peak distance: above 1 a run is past it. None without a peak."""
        found = self.peak_distance()
        if found is None:
            return None
        low = distance / found.high if np.isfinite(found.high) else 0.0
        high = distance / found.low if found.low > 0 else float("inf")
        return Estimate(distance / found.value, low, high, self.points)

    def _coefficient(self, place: int) -> Estimate:
        value = float(self.coefficients[place])
        half = self._quantile() * float(self.covariance[place, place]) ** 0.5
        return Estimate(value, value - half, value + half, self.points)

    def _quantile(self) -> float:
        if np.isinf(self.freedom):
            return float(ndtri(0.975))
        return float(stdtrit(self.freedom, 0.975))

    def _draws(self, rng: np.random.Generator) -> Floats:
        noise = rng.multivariate_normal(np.zeros(self.coefficients.size), self.covariance, DRAWS)
        if np.isfinite(self.freedom):
            noise *= (self.freedom / rng.chisquare(self.freedom, DRAWS))[:, None] ** 0.5
        return np.asarray(self.coefficients + noise)

    def _interval(self, value: float, drawn: Floats) -> Estimate:
        low = float(np.quantile(drawn, 0.025, method="lower"))
        high = float(np.quantile(drawn, 0.975, method="higher"))
        return Estimate(value, min(low, value), max(high, value), self.points)


def gain_curve(
    shape: Shape, distances: ArrayLike, gains: ArrayLike, errors: ArrayLike | None = None
) -> GainCurve:
    """Least squares of one shape; points at d = 0 are left out, they are 0 by definition.

        best_of_n      d (α − β d)
        reinforcement  d (α − β log d)
        parabola       γ + α d − β d², free at the start: what any smooth hump looks like

    With ``errors`` (standard errors of the gains, independent) it is weighted and AIC = χ² + 2k;
    without, their common variance is estimated, AIC = n log(RSS / n) + 2(k + 1). Both with the
    small-sample term 2k(k + 1)/(n − k − 1) (Hurvich and Tsai 1989). BadInput with fewer different
    distances above 0 than coefficients, and one more where errors are unknown.
    """
    d, y = column(distances, "distances"), column(gains, "gains")
    if d.size != y.size:
        raise BadInput(f"There are {d.size} distances but {y.size} gains.")
    if float(d.min()) < 0:
        raise BadInput("A distance, √KL, is at least 0.")
    away = d > 0
    sigma = np.ones(int(away.sum()))
    if errors is not None:
        every = column(errors, "errors")
        if every.size != d.size or not bool((every[away] > 0).all()):
            raise BadInput("Every gain away from the start needs a standard error above 0.")
        sigma = every[away]
    d, y = d[away], y[away]
    design = _design(shape, d) / sigma[:, None]
    count = design.shape[1]
    if np.unique(d).size < count + (errors is None):
        raise BadInput(
            f"The shape {shape} needs more different distances above 0 than {np.unique(d).size}.",
            remedy="Measure gold at more points of the run.",
        )
    fit: Floats = np.asarray(np.linalg.lstsq(design, y / sigma, rcond=None)[0], dtype=np.float64)
    left = y / sigma - design @ fit
    square, n = float(left @ left), d.size
    residual = float(np.sqrt(np.mean((left * sigma) ** 2)))
    inverse: Floats = np.asarray(np.linalg.inv(design.T @ design), dtype=np.float64)
    if errors is not None:
        aic = square + 2 * count + _small(count, n)
        return GainCurve(shape, fit, inverse, n, float("inf"), residual, aic)
    freedom = n - count
    variance = square / freedom
    aic = n * float(np.log(max(square / n, 1e-300))) + 2 * (count + 1) + _small(count + 1, n)
    return GainCurve(shape, fit, inverse * variance, n, float(freedom), residual, aic)


@dataclass(frozen=True, slots=True)
class Compared:
    """The shapes, best first, with Akaike weights that sum to 1."""

    curves: tuple[GainCurve, ...]
    weights: tuple[float, ...]


def compare_shapes(
    distances: ArrayLike,
    gains: ArrayLike,
    errors: ArrayLike | None = None,
    *,
    shapes: Sequence[Shape] = SHAPES,
) -> Compared:
    """Each shape's fit and weight exp(−ΔAIC / 2): how far the data prefer one, not whether any is
    right. BadInput as in ``gain_curve`` for the shape with most coefficients."""
    curves = [gain_curve(shape, distances, gains, errors) for shape in shapes]
    curves.sort(key=lambda curve: curve.aic)
    if not np.isfinite(curves[0].aic):
        raise BadInput("Too few points to compare shapes.", remedy="Measure at six or more.")
    weights = np.exp(-(np.array([curve.aic for curve in curves]) - curves[0].aic) / 2)
    return Compared(tuple(curves), tuple((weights / weights.sum()).tolist()))


def _design(shape: Shape, d: Floats) -> Floats:
    if shape == "best_of_n":
        return np.column_stack([d, -(d**2)])
    if shape == "reinforcement":
        safe = np.where(d > 0, d, 1.0)
        return np.column_stack([d, -d * np.log(safe)])
    return np.column_stack([d, -(d**2), np.ones_like(d)])


def _tops(shape: Shape, coefficients: Floats) -> Floats:
    """Where each row's curve turns: infinite where it keeps rising, 0 where it only falls."""
    a, b = coefficients[:, 0], coefficients[:, 1]
    ratio = np.divide(a, b, out=np.full(a.shape, np.inf), where=b > 0)
    if shape == "reinforcement":
        return np.asarray(np.where(ratio < 700, np.exp(np.minimum(ratio, 700) - 1), np.inf))
    return np.maximum(0.0, ratio / 2)


def _heights(shape: Shape, coefficients: Floats) -> Floats:
    """Each row's gain at its peak; infinite where it keeps rising."""
    tops = _tops(shape, coefficients)
    turns = np.isfinite(tops)
    rows = _design(shape, np.where(turns, tops, 0.0))
    return np.where(turns, (rows * coefficients).sum(axis=1), np.inf)


def _turn(shape: Shape) -> Callable[[float], float]:
    """The peak's distance as a rising function of α / β."""
    if shape == "reinforcement":
        return lambda ratio: float(np.exp(ratio - 1)) if ratio < 700 else float("inf")
    return lambda ratio: max(0.0, ratio / 2)


def _fieller(a: float, b: float, covariance: Floats, quantile: float) -> tuple[float, float]:
    """All ratios ρ with |a − ρ b| ≤ q √(V_a − 2 ρ V_ab + ρ² V_b): between two ends, or open."""
    q2 = quantile**2
    square = b * b - q2 * covariance[1, 1]
    middle = a * b - q2 * covariance[0, 1]
    constant = a * a - q2 * covariance[0, 0]
    inside = middle**2 - square * constant
    if square > 0:
        root = max(inside, 0.0) ** 0.5
        return (middle - root) / square, (middle + root) / square
    if inside <= 0:
        return -float("inf"), float("inf")
    ends = sorted(((middle - inside**0.5) / square, (middle + inside**0.5) / square))
    return (ends[1], float("inf")) if a / b > ends[1] else (-float("inf"), float("inf"))


def _small(count: int, n: int) -> float:
    return 2 * count * (count + 1) / (n - count - 1) if n > count + 1 else float("inf")
