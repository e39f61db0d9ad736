"""Helpfulness subject to a limit on harm, by a multiplier that follows the constraint.

max_π E[helpful] subject to E[harm] ≤ c is the saddle point of
L(π, λ) = E[helpful] − λ (E[harm] − c) over λ ≥ 0 (Dai et al. 2023, Safe RLHF). B responses.
"""

import torch

from preftune.maths.shapes import check_shapes


def penalised(*, helpful_B: torch.Tensor, harm_B: torch.Tensor, multiplier: float) -> torch.Tensor:
    """helpful − λ · harm, [B]: what the policy is trained on while λ is held."""
    check_shapes(helpful_B=helpful_B, harm_B=harm_B)
    return helpful_B - multiplier * harm_B


def next_multiplier(*, harm_B: torch.Tensor, multiplier: float, limit: float, rate: float) -> float:
    """λ ← max(0, λ + η (mean harm − c)): one step of projected ascent on the dual.

    It grows while the limit is broken, shrinks while there is room, and rests at 0 where the
    limit does not bind. Safe RLHF takes the same step on log λ.
    """
    check_shapes(harm_B=harm_B)
    return max(0.0, multiplier + rate * (float(harm_B.mean()) - limit))
