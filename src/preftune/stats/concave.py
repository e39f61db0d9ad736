"""The top of a smooth concave function by damped Newton steps."""

from collections.abc import Callable

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from preftune.records import RunFailed
from preftune.stats.clusters import Floats

Curve = Callable[[Floats], tuple[float, Floats, Floats]]
"""Parameters → value, gradient (P,), and minus the Hessian (P, P), positive definite."""

STEPS = 200


def climb(curve: Curve, start: Floats, *, what: str, tolerance: float = 1e-10) -> Floats:
    """The parameters of the maximum; RunFailed naming ``what`` when 200 steps do not reach it.

    A step that does not climb is halved. Ends when the Newton decrement gᵀ H⁻¹ g, twice the gain
    still to be had, is below ``tolerance``.
    """
    at = start
    value, slope, curvature = curve(at)
    for _ in range(STEPS):
        try:
            step = cho_solve(cho_factor(curvature), slope)
        except LinAlgError as error:
            raise RunFailed(f"{what} has no single best fit: {error}.") from error
        decrement = float(slope @ step)
        if decrement < tolerance:
            return np.asarray(at + step)
        size = 1.0
        while True:
            candidate = at + size * step
            found = curve(candidate)
            if found[0] >= value or size < 1e-10:
                break
            size /= 2
        at, (value, slope, curvature) = candidate, found
    raise RunFailed(f"{what} did not converge.")
