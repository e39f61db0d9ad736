"""Preferences between trajectory segments, and the ensemble that predicts rewards from them.

M members of the ensemble, N comparisons or segments, T steps of a segment. "First" and "second" are
the two segments of a comparison. All of Christiano et al. 2017, *Deep reinforcement learning from
human preferences*, §2.2.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F

from preftune.maths.shapes import check_shapes


class MemberNormalisation(NamedTuple):
    """reward = gain · raw + bias, one gain and one bias a member."""

    gains_M: torch.Tensor
    biases_M: torch.Tensor


def segment_returns(*, rewards_MNT: torch.Tensor, step_mask_NT: torch.Tensor) -> torch.Tensor:
    """Σ_t r̂(o_t, a_t) over the steps where the mask is True, [M, N]. Undiscounted, a sum.

    A mean would be another model: with it, preferences would not depend on how long a clip is.
    """
    check_shapes(rewards_MNT=rewards_MNT, step_mask_NT=step_mask_NT)
    return torch.where(step_mask_NT, rewards_MNT, rewards_MNT.new_zeros(())).sum(-1)


def segment_preferences(
    *, first_returns_MN: torch.Tensor, second_returns_MN: torch.Tensor, lapse: float
) -> torch.Tensor:
    """P(first ≻ second) = (1 − λ) exp(R₁) / (exp(R₁) + exp(R₂)) + λ/2, [M, N].

    Eq. 1, with the chance λ (.1 in the paper, §2.2.3) that a person answers at random, which no
    difference in reward makes smaller.
    """
    check_shapes(first_returns_MN=first_returns_MN, second_returns_MN=second_returns_MN)
    return (1 - lapse) * torch.sigmoid(first_returns_MN - second_returns_MN) + lapse / 2


def segment_losses(
    *,
    first_returns_MN: torch.Tensor,
    second_returns_MN: torch.Tensor,
    preferences_N: torch.Tensor,
    weights_MN: torch.Tensor,
    lapse: float,
    denominators_M: torch.Tensor,
) -> torch.Tensor:
    """Σ_n w [−μ log P − (1 − μ) log(1 − P)] / ``denominators_M``, one loss a member, [M], in nats.

    The unnumbered loss of §2.2.3. μ is 1 where the first segment was preferred, 0 where the second
    was and .5 where they were equally good; "cannot tell" is no comparison. w counts how often a
    comparison is in a member's bootstrap sample, 0 where the member has not seen it.
    ``denominators_M`` is each member's weight in the whole optimizer step. Stable for any
    difference, and for λ = 0 too.
    """
    check_shapes(
        first_returns_MN=first_returns_MN,
        second_returns_MN=second_returns_MN,
        preferences_N=preferences_N,
        weights_MN=weights_MN,
        denominators_M=denominators_M,
    )
    zero = first_returns_MN.new_zeros(())
    difference_MN = torch.where(weights_MN > 0, first_returns_MN - second_returns_MN, zero)
    sure = math.log1p(-lapse)
    random = difference_MN.new_tensor(lapse / 2).log()
    log_first_MN = torch.logaddexp(sure + F.logsigmoid(difference_MN), random)
    log_second_MN = torch.logaddexp(sure + F.logsigmoid(-difference_MN), random)
    losses_MN = -preferences_N * log_first_MN - (1 - preferences_N) * log_second_MN
    return (weights_MN * losses_MN).sum(-1) / denominators_M


def preference_variance(*, preferences_MN: torch.Tensor) -> torch.Tensor:
    """Population variance over the members of their predicted preference, [N]; at most 1/4.

    §2.2.4: the comparisons worth asking are those the members disagree about. Of the preference,
    not of the reward: members who give a clip very different rewards may agree about who wins.
    """
    check_shapes(preferences_MN=preferences_MN)
    return preferences_MN.var(dim=0, correction=0)


def member_normalisation(*, raw_rewards_MN: torch.Tensor, deviation: float) -> MemberNormalisation:
    """Gains and biases that give each member's rewards of N steps mean 0 and one ``deviation``.

    §2.2.1: comparisons of equally long segments say nothing about the constant of a reward.
    gain = d/σ, bias = −gain · μ, with the population deviation σ.
    """
    check_shapes(raw_rewards_MN=raw_rewards_MN)
    gains_M = deviation / raw_rewards_MN.std(dim=-1, correction=0).clamp(min=1e-8)
    return MemberNormalisation(gains_M=gains_M, biases_M=-gains_M * raw_rewards_MN.mean(dim=-1))


def ensemble_rewards(
    *, raw_rewards_MN: torch.Tensor, gains_M: torch.Tensor, biases_M: torch.Tensor
) -> torch.Tensor:
    """r̂_n = 1/M Σ_m (gain_m · raw_mn + bias_m), [N]: members normalised, then averaged (§2.2.3)."""
    check_shapes(raw_rewards_MN=raw_rewards_MN, gains_M=gains_M, biases_M=biases_M)
    return (gains_M[:, None] * raw_rewards_MN + biases_M[:, None]).mean(dim=0)
