"""Whether an effect is there, when many are looked for at once."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from preftune.records import BadInput, Estimate


def p_value(estimate: Estimate, null: float = 0.0) -> float:
    """Two-sided, of a t interval of level .95 with ``count`` − 1 degrees of freedom.

    An interval that is a point away from ``null`` gives 0, one on it 1; fewer than two independent
    units give 1, because they say nothing about spread.
    """
    if estimate.count < 2:
        return 1.0
    away = estimate.value - null
    half = (estimate.high - estimate.low) / 2
    if half <= 0:
        return 1.0 if away == 0 else 0.0
    freedom = estimate.count - 1
    t = abs(away) / (half / float(stdtrit(freedom, 0.975)))
    return float(2 * stdtr(freedom, -t))


def holm(p_values: ArrayLike) -> list[float]:
    """Adjusted p-values, in the order given (Holm 1979).

    Calling everything below α an effect then errs at all with probability at most α, whatever the
    dependence: sorted p_(1) ≤ … ≤ p_(m), adjusted p_(k) = max_{j ≤ k} min(1, (m − j + 1) p_(j)).
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or bool(((p < 0) | (p > 1)).any()):
        raise BadInput("P-values are a list of numbers between 0 and 1.")
    order = np.argsort(p, kind="stable")
    scaled = np.minimum(1.0, p[order] * (p.size - np.arange(p.size)))
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(scaled) if p.size else scaled
    found: list[float] = adjusted.tolist()
    return found


def sign_test(gained: int, lost: int) -> float:
    """Two-sided exact p of ``gained`` against ``lost`` changes being a fair coin's (McNemar)."""
    from_tail = _binomial_tail(max(gained, lost), gained + lost)
    return min(1.0, 2 * from_tail)


def _binomial_tail(least: int, count: int) -> float:
    """P(at least ``least`` heads in ``count`` fair tosses)."""
    if count == 0:
        return 1.0
    log_choose = np.zeros(count + 1)
    k = np.arange(1, count + 1)
    log_choose[1:] = np.cumsum(np.log(count - k + 1) - np.log(k))
    return float(np.exp(log_choose[least:] - count * np.log(2)).sum())
