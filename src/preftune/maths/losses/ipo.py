"""Identity preference optimisation: a regression of the margin to a finite target."""

import torch

from preftune.maths.shapes import check_shapes


def ipo_loss(
    *,
    margins_B: torch.Tensor,
    probabilities_B: torch.Tensor,
    weights_B: torch.Tensor,
    tau: float,
    denominator: float,
) -> torch.Tensor:
    """Σ w [p (h − 1/(2τ))² + (1 − p) (h + 1/(2τ))²] / ``denominator``, a scalar.

    Azar et al. 2023, eq. 17, on the margin of :func:`preftune.maths.losses.dpo.log_ratio_margins`;
    p = 1 for hard labels. The paper and DPO's reference code sum log-probabilities over the
    response, TRL averages them; the same τ means another thing in each.
    """
    check_shapes(margins_B=margins_B, probabilities_B=probabilities_B, weights_B=weights_B)
    target = 1 / (2 * tau)
    losses_B = (
        probabilities_B * (margins_B - target).square()
        + (1 - probabilities_B) * (margins_B + target).square()
    )
    return (weights_B * losses_B).sum() / denominator
