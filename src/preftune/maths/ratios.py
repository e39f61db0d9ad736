"""How far the policy has moved from the one that sampled, over action tokens."""

from typing import NamedTuple

import torch

from preftune.maths.masked import masked_sum
from preftune.maths.shapes import check_shapes


class RatioStatistics(NamedTuple):
    """Sums over action tokens, detached scalars. ``approxkl_sum`` is k2 in nats.

    ``ratio_sum`` and ``ratio_square_sum`` are of ρ; ``ratio_max_error`` is the largest |ρ − 1|.
    """

    approxkl_sum: torch.Tensor
    ratio_sum: torch.Tensor
    ratio_square_sum: torch.Tensor
    ratio_max_error: torch.Tensor


def log_ratio(
    *, logprobs_BT: torch.Tensor, old_logprobs_BT: torch.Tensor, action_mask_BT: torch.Tensor
) -> torch.Tensor:
    """log ρ_t = log π(y_t) − log π_old(y_t), [B, T]; 0 where masked. π_old is a constant."""
    check_shapes(
        logprobs_BT=logprobs_BT, old_logprobs_BT=old_logprobs_BT, action_mask_BT=action_mask_BT
    )
    zero = logprobs_BT.new_zeros(())
    return torch.where(action_mask_BT, logprobs_BT - old_logprobs_BT.detach(), zero)


@torch.no_grad()
def ratio_statistics(
    *, logprobs_BT: torch.Tensor, old_logprobs_BT: torch.Tensor, action_mask_BT: torch.Tensor
) -> RatioStatistics:
    """Schulman's k2 to the rollout policy and moments of the probability ratio ρ = π / π_old."""
    check_shapes(
        logprobs_BT=logprobs_BT, old_logprobs_BT=old_logprobs_BT, action_mask_BT=action_mask_BT
    )
    log_ratio_BT = log_ratio(
        logprobs_BT=logprobs_BT, old_logprobs_BT=old_logprobs_BT, action_mask_BT=action_mask_BT
    )
    ratio_BT = log_ratio_BT.exp()
    return RatioStatistics(
        approxkl_sum=(0.5 * log_ratio_BT.square()).sum(),
        ratio_sum=masked_sum(values_BT=ratio_BT, mask_BT=action_mask_BT),
        ratio_square_sum=masked_sum(values_BT=ratio_BT.square(), mask_BT=action_mask_BT),
        ratio_max_error=(ratio_BT - 1).abs().max(),
    )
