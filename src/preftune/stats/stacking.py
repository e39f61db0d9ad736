"""What several scores are worth together."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from preftune.records import BadInput
from preftune.stats.clusters import Floats, shares

LARGEST = 100.0
"""Upper end of a weight, for scores that are always right."""

NOTHING = 1e-6
"""A smaller weight is none: where the search stopped just short of 0."""


def stacking_weights(
    gaps: ArrayLike, outcomes: ArrayLike, weights: ArrayLike | None = None
) -> Floats:
    """The w ≥ 0 of least cross-entropy of sigmoid(gaps · w) on the outcomes, shape (scores,).

    Stacked regressions (Breiman 1996), with the logistic loss of pairs: ``gaps`` has a row a pair
    and a column a score, and ``outcomes`` in [0, 1] the share for the pair's first side. The gaps
    are of pairs that the scores were not fitted on. A score that does not help gets 0; where none
    helps, all get 1. ``weights`` multiply the pairs' losses.
    """
    table, y = np.asarray(gaps, dtype=np.float64), shares(outcomes, "outcomes")
    if table.ndim != 2 or len(table) != y.size:
        raise BadInput(f"There are gaps of shape {table.shape} but {y.size} outcomes.")
    counted = np.ones(y.size) if weights is None else np.asarray(weights, dtype=np.float64)

    def cost(given: Floats) -> tuple[float, Floats]:
        z = table @ given
        loss = y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)
        slope = counted * (1 / (1 + np.exp(-z)) - y)
        return float(counted @ loss), table.T @ slope

    width = table.shape[1]
    bounds = [(0.0, LARGEST)] * width
    found = minimize(cost, np.full(width, 1 / width), jac=True, method="L-BFGS-B", bounds=bounds)
    best = np.asarray(found.x, dtype=np.float64)
    best[best < NOTHING] = 0.0
    return best if bool(best.any()) else np.ones(width)
