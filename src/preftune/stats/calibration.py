"""Do probabilities mean what they say: of the cases given .8, do 80 % come true?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from preftune.records import BadInput
from preftune.stats.clusters import Floats, column, shares

COLDEST, WARMEST = 0.01, 100.0
"""Temperatures a fit may end at; the ends are for labels that are all right or all wrong."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The cases whose probability lies in [low, high) (the last bin holds its upper end too)."""

    low: float
    high: float
    predicted: float
    """Their mean probability."""
    observed: float
    """The share of them that came true."""
    count: int

    def as_json(self) -> dict[str, float | int]:
        return {
            "low": self.low,
            "high": self.high,
            "predicted": self.predicted,
            "observed": self.observed,
            "count": self.count,
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """``ece`` and the bins it was summed over; empty bins are left out."""

    ece: float
    reliability: tuple[Bin, ...]

    def as_json(self) -> dict[str, object]:
        return {"ece": self.ece, "reliability": [row.as_json() for row in self.reliability]}


def expected_calibration_error(
    probabilities: ArrayLike, outcomes: ArrayLike, bins: int = 10
) -> Calibration:
    """Σ_bins (count / n) · |mean probability − share that came true|, over equal-width bins.

    Guo et al. 2017. ``outcomes`` lie in [0, 1]: 1 came true, a share where only that is known.
    """
    p, y = _both(probabilities, outcomes, bins)
    return _calibration(_binned(p, y, np.linspace(0, 1, bins + 1)))


def pair_calibration(probabilities: ArrayLike, outcomes: ArrayLike, bins: int = 10) -> Calibration:
    """The same for pairs, where calling the other side first gives 1 − p and 1 − outcome.

    Every pair is counted in both orders, so the rows mirror each other around .5 and nothing
    depends on which side was named first. ``bins`` is even; a bin's ``count`` is of orders, two a
    pair.
    """
    p, y = _both(probabilities, outcomes, bins)
    if bins % 2:
        raise BadInput(f"Both orders of a pair need an even number of bins, not {bins}.")
    confident = np.maximum(p, 1 - p)
    came_true = np.select([p > 0.5, p < 0.5], [y, 1 - y], 0.5)
    upper = _binned(confident, came_true, np.linspace(0.5, 1, bins // 2 + 1))
    lower = [
        Bin(1 - row.high, 1 - row.low, 1 - row.predicted, 1 - row.observed, row.count)
        for row in reversed(upper)
    ]
    return _calibration([*lower, *upper])


def brier(probabilities: ArrayLike, outcomes: ArrayLike) -> float:
    """Mean (probability − outcome)² (Brier 1950); .25 for always saying .5 of yes and no."""
    p, y = _both(probabilities, outcomes, 1)
    return float(np.mean((p - y) ** 2))


def fit_temperature(gaps: ArrayLike, outcomes: ArrayLike) -> float:
    """The T of least cross-entropy of sigmoid(gap / T) on the outcomes (Guo et al. 2017).

    ``gaps`` are in log-odds, ``outcomes`` in [0, 1]. T > 1 where the gaps are too sure of
    themselves. The loss is convex in 1/T, so there is one answer, at most WARMEST and at least
    COLDEST.
    """
    gap, y = column(gaps, "gaps"), shares(outcomes, "outcomes")
    if gap.size != y.size:
        raise BadInput(f"There are {gap.size} gaps but {y.size} outcomes.")

    def loss(log_temperature: float) -> float:
        z = gap / np.exp(log_temperature)
        return float(np.mean(y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)))

    bounds = (float(np.log(COLDEST)), float(np.log(WARMEST)))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-8})
    return float(np.exp(found.x))


def _both(probabilities: ArrayLike, outcomes: ArrayLike, bins: int) -> tuple[Floats, Floats]:
    p, y = shares(probabilities, "probabilities"), shares(outcomes, "outcomes")
    if p.size != y.size:
        raise BadInput(f"There are {p.size} probabilities but {y.size} outcomes.")
    if bins < 1:
        raise BadInput(f"Calibration needs at least one bin, not {bins}.")
    return p, y


def _binned(p: Floats, y: Floats, edges: Floats) -> list[Bin]:
    places = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, edges.size - 2)
    return [
        Bin(
            low=float(edges[place]),
            high=float(edges[place + 1]),
            predicted=float(p[places == place].mean()),
            observed=float(y[places == place].mean()),
            count=int(np.sum(places == place)),
        )
        for place in np.unique(places)
    ]


def _calibration(rows: list[Bin]) -> Calibration:
    total = sum(row.count for row in rows)
    gap = sum(row.count * abs(row.predicted - row.observed) for row in rows)
    return Calibration(gap / total, tuple(rows))
