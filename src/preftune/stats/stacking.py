"""What a score adds to another one."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from preftune.records import BadInput
from preftune.stats.clusters import Floats, column, shares

LARGEST = 100.0
"""Upper end of a weight, for a score that is always right."""


def stacking_weight(
    gaps: ArrayLike,
    offsets: ArrayLike,
    outcomes: ArrayLike,
    weights: ArrayLike | None = None,
) -> float:
    """The w ≥ 0 of least cross-entropy of sigmoid(offset + w · gap) on the outcomes.

    A stacked regression (Breiman 1996, who asks for weights that are not negative) with the
    logistic loss of pairs and one free weight: ``offsets`` are in log-odds already and stay as they
    are. ``outcomes`` in [0, 1] are the shares for a pair's first side, and the pairs ones that
    neither score was fitted on. 0 where ``gaps`` do not help. ``weights`` multiply the losses.
    """
    gap, offset = column(gaps, "gaps"), column(offsets, "offsets")
    y = shares(outcomes, "outcomes")
    counted = np.ones(y.size) if weights is None else column(weights, "weights")
    sizes = {part.size for part in (gap, offset, y, counted)}
    if len(sizes) > 1:
        raise BadInput(f"There are {gap.size} gaps, {offset.size} offsets and {y.size} outcomes.")

    def slope(weight: float) -> float:
        z = offset + weight * gap
        return float(np.sum(counted * gap * (1 / (1 + np.exp(-z)) - y)))

    def loss(weight: float) -> float:
        z: Floats = offset + weight * gap
        return float(np.sum(counted * (y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z))))

    if slope(0.0) >= 0:
        return 0.0
    found = minimize_scalar(loss, bounds=(0.0, LARGEST), method="bounded", options={"xatol": 1e-8})
    return float(found.x)
