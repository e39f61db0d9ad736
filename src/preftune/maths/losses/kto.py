"""Kahneman–Tversky optimisation: single answers called desirable or not, no pairs."""

import torch

from preftune.maths.shapes import check_shapes


def reference_point(*, mismatched_log_ratios_B: torch.Tensor) -> float:
    """z₀ = max(0, mean of log π(y'|x) − log π_ref(y'|x)), in nats a response, no gradient.

    y' are answers to other prompts: a biased but cheap estimate of KL(π‖π_ref) (Ethayarajh et al.
    2024, §4.1). One number for the whole optimizer step.
    """
    check_shapes(mismatched_log_ratios_B=mismatched_log_ratios_B)
    return max(0.0, float(mismatched_log_ratios_B.detach().double().mean()))


def kto_loss(
    *,
    log_ratios_B: torch.Tensor,
    desirable_mask_B: torch.Tensor,
    reference_kl: float,
    beta: float,
    desirable_weight: float,
    undesirable_weight: float,
    denominator: float,
) -> torch.Tensor:
    """Σ λ_D (1 − σ(β(r − z₀))) + Σ λ_U (1 − σ(β(z₀ − r))), over ``denominator``, a scalar.

    Ethayarajh et al. 2024, eq. 8. r = log π(y|x) − log π_ref(y|x) summed over the response;
    the first sum is over desirable answers (mask True), the second over the others. z₀ is
    ``reference_kl``, from :func:`reference_point`. ``denominator`` counts the answers
    of the whole optimizer step.
    """
    check_shapes(log_ratios_B=log_ratios_B, desirable_mask_B=desirable_mask_B)
    value_B = torch.sigmoid(beta * (log_ratios_B - reference_kl))
    losses_B = torch.where(
        desirable_mask_B, desirable_weight * (1 - value_B), undesirable_weight * value_B
    )
    return losses_B.sum() / denominator
