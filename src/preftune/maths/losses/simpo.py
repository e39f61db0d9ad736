"""Simple preference optimisation: the mean log-probability is the reward, no reference."""

import torch
import torch.nn.functional as F

from preftune.maths.shapes import check_shapes


def simpo_loss(
    *,
    chosen_mean_logprobs_B: torch.Tensor,
    rejected_mean_logprobs_B: torch.Tensor,
    probabilities_B: torch.Tensor,
    weights_B: torch.Tensor,
    beta: float,
    gamma: float,
    denominator: float,
) -> torch.Tensor:
    """Σ w [−p log σ(d − γ) − (1 − p) log σ(−d − γ)] / ``denominator``, a scalar.

    Meng et al. 2024, eq. 6. d = β (log π(y_w)/|y_w| − log π(y_l)/|y_l|); γ is the margin asked for
    on top, in units of d; p = 1 for hard labels.
    """
    check_shapes(
        chosen_mean_logprobs_B=chosen_mean_logprobs_B,
        rejected_mean_logprobs_B=rejected_mean_logprobs_B,
        probabilities_B=probabilities_B,
        weights_B=weights_B,
    )
    difference_B = beta * (chosen_mean_logprobs_B - rejected_mean_logprobs_B)
    losses_B = -probabilities_B * F.logsigmoid(difference_B - gamma) - (
        1 - probabilities_B
    ) * F.logsigmoid(-difference_B - gamma)
    return (weights_B * losses_B).sum() / denominator
