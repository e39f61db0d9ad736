"""PPO's losses: the clipped surrogate, with one clip or two, and the clipped value error."""

from typing import NamedTuple

import torch

from preftune.maths.masked import masked_sum
from preftune.maths.ratios import log_ratio
from preftune.maths.shapes import check_shapes


class PolicyLoss(NamedTuple):
    """The scalar ``loss`` and the number of tokens whose clipped term was the larger."""

    loss: torch.Tensor
    clipped: torch.Tensor


class ValueLoss(NamedTuple):
    """The scalar ``loss`` and the number of tokens whose clipped error was the larger."""

    loss: torch.Tensor
    clipped: torch.Tensor


def policy_loss(
    *,
    logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    advantages_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    cliprange: float,
    denominator: float,
) -> PolicyLoss:
    """Σ_t max(−A_t ρ_t, −A_t clip(ρ_t, 1 − ε, 1 + ε)) / ``denominator``, ρ_t = π(y_t)/π_old(y_t).

    Schulman et al. 2017, eq. 7. ``denominator`` is the number of action tokens in the whole
    optimizer step: the mean is over tokens. Advantages and old log-probabilities are constants.
    """
    check_shapes(
        logprobs_BT=logprobs_BT,
        old_logprobs_BT=old_logprobs_BT,
        advantages_BT=advantages_BT,
        action_mask_BT=action_mask_BT,
    )
    log_ratio_BT = log_ratio(
        logprobs_BT=logprobs_BT, old_logprobs_BT=old_logprobs_BT, action_mask_BT=action_mask_BT
    )
    zero = logprobs_BT.new_zeros(())
    advantages_BT = torch.where(action_mask_BT, advantages_BT.detach(), zero)
    ratio_BT = log_ratio_BT.exp()
    plain_BT = -advantages_BT * ratio_BT
    clipped_BT = -advantages_BT * ratio_BT.clamp(1 - cliprange, 1 + cliprange)
    worse_BT = torch.maximum(plain_BT, clipped_BT)
    clipped = (clipped_BT > plain_BT).sum()
    return PolicyLoss(loss=worse_BT.sum() / denominator, clipped=clipped)


def dual_clip_policy_loss(
    *,
    logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    advantages_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    cliprange: float,
    dual_clip: float,
    denominator: float,
) -> PolicyLoss:
    """:func:`policy_loss` whose term is at most −c A_t where A_t < 0, c = ``dual_clip`` > 1.

    Ye et al. 2020, eq. 5: a token with a bad advantage and a ratio beyond c is left alone. The
    tokens either clip holds are counted.
    """
    check_shapes(
        logprobs_BT=logprobs_BT,
        old_logprobs_BT=old_logprobs_BT,
        advantages_BT=advantages_BT,
        action_mask_BT=action_mask_BT,
    )
    log_ratio_BT = log_ratio(
        logprobs_BT=logprobs_BT, old_logprobs_BT=old_logprobs_BT, action_mask_BT=action_mask_BT
    )
    zero = logprobs_BT.new_zeros(())
    advantages_BT = torch.where(action_mask_BT, advantages_BT.detach(), zero)
    ratio_BT = log_ratio_BT.exp()
    plain_BT = -advantages_BT * ratio_BT
    clipped_BT = -advantages_BT * ratio_BT.clamp(1 - cliprange, 1 + cliprange)
    worse_BT = torch.maximum(plain_BT, clipped_BT)
    held_BT = (advantages_BT < 0) & (worse_BT > -dual_clip * advantages_BT)
    term_BT = torch.where(held_BT, -dual_clip * advantages_BT, worse_BT)
    clipped = ((clipped_BT > plain_BT) | held_BT).sum()
    return PolicyLoss(loss=term_BT.sum() / denominator, clipped=clipped)


def value_loss(
    *,
    values_BT: torch.Tensor,
    old_values_BT: torch.Tensor,
    returns_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    cliprange_value: float,
    denominator: float,
) -> ValueLoss:
    """½ Σ_t max((V_t − G_t)², (clip(V_t, V_old,t ± ε_v) − G_t)²) / ``denominator``.

    Ziegler et al. 2019 (released code), after Schulman et al.'s PPO baselines.
    """
    check_shapes(
        values_BT=values_BT,
        old_values_BT=old_values_BT,
        returns_BT=returns_BT,
        action_mask_BT=action_mask_BT,
    )
    zero = values_BT.new_zeros(())
    values_BT = torch.where(action_mask_BT, values_BT, zero)
    old_BT = torch.where(action_mask_BT, old_values_BT.detach(), zero)
    returns_BT = torch.where(action_mask_BT, returns_BT.detach(), zero)
    near_BT = torch.minimum(
        torch.maximum(values_BT, old_BT - cliprange_value), old_BT + cliprange_value
    )
    plain_BT = (values_BT - returns_BT).square()
    clipped_BT = (near_BT - returns_BT).square()
    worse_BT = torch.maximum(plain_BT, clipped_BT)
    clipped = masked_sum(values_BT=(clipped_BT > plain_BT).float(), mask_BT=action_mask_BT)
    loss = 0.5 * masked_sum(values_BT=worse_BT, mask_BT=action_mask_BT) / denominator
    return ValueLoss(loss=loss, clipped=clipped)
