"""Implicit language Q-learning: values of tokens from rewarded text, without sampling any.

Snell et al. 2023, after Kostrikov et al. 2022 (IQL). A state is the text up to a token, an action
the token. V is an expectile of Q over the tokens that the data took, so V looks up towards the
best of them and never asks for the value of a token nobody wrote.
"""

import torch

from preftune.maths.masked import masked_sum
from preftune.maths.shapes import check_shapes


def q_loss(
    *,
    q_BT: torch.Tensor,
    rewards_BT: torch.Tensor,
    values_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    gamma: float,
    denominator: float,
) -> torch.Tensor:
    """Σ_t (R_t + γ V_{t+1} − Q_t)² / ``denominator``, a scalar; V after the last token is 0.

    Snell et al. 2023. The target R_t + γ V_{t+1} is a constant. ``q_BT`` is of the tokens
    written; every row's True entries are a prefix.
    """
    check_shapes(
        q_BT=q_BT, rewards_BT=rewards_BT, values_BT=values_BT, action_mask_BT=action_mask_BT
    )
    zero = q_BT.new_zeros(())
    values_BT = torch.where(action_mask_BT, values_BT.detach(), zero)
    next_values_BT = torch.cat([values_BT[:, 1:], torch.zeros_like(values_BT[:, :1])], dim=1)
    rewards_BT = torch.where(action_mask_BT, rewards_BT, zero)
    error_BT = rewards_BT + gamma * next_values_BT - torch.where(action_mask_BT, q_BT, zero)
    return masked_sum(values_BT=error_BT.square(), mask_BT=action_mask_BT) / denominator


def expectile_loss(
    *,
    values_BT: torch.Tensor,
    target_q_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    tau: float,
    denominator: float,
) -> torch.Tensor:
    """Σ_t |τ − 1(u_t < 0)| u_t² / ``denominator``, u = Q_target − V; Q_target is a constant.

    Kostrikov et al. 2022, eq. 5. The V that minimises it is Q's mean at τ = ½ and its maximum as
    τ → 1. Q ∈ {0, 1} with equal mass: V = τ.
    """
    check_shapes(values_BT=values_BT, target_q_BT=target_q_BT, action_mask_BT=action_mask_BT)
    zero = values_BT.new_zeros(())
    u_BT = torch.where(action_mask_BT, target_q_BT.detach() - values_BT, zero)
    weight_BT = torch.where(u_BT < 0, 1 - tau, tau)
    return (weight_BT * u_BT.square()).sum() / denominator


def conservative_loss(
    *,
    q_BTV: torch.Tensor,
    tokens_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """Σ_t (log Σ_v exp Q_t(v) − Q_t(y_t)) / ``denominator``: tokens nobody wrote are worth less.

    The CQL term (Kumar et al. 2020) as Snell et al. 2023 use it: the cross-entropy of the
    written token under softmax(Q).
    """
    check_shapes(q_BTV=q_BTV, tokens_BT=tokens_BT, action_mask_BT=action_mask_BT)
    q_BTV = torch.where(action_mask_BT.unsqueeze(-1), q_BTV, q_BTV.new_zeros(()))
    taken_BT = q_BTV.gather(-1, tokens_BT.unsqueeze(-1)).squeeze(-1)
    losses_BT = torch.logsumexp(q_BTV, dim=-1) - taken_BT
    return masked_sum(values_BT=losses_BT, mask_BT=action_mask_BT) / denominator


def weighted_imitation_loss(
    *,
    logprobs_BT: torch.Tensor,
    advantages_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    beta: float,
    denominator: float,
) -> torch.Tensor:
    """−Σ_t exp(β A_t) log π(y_t) / ``denominator``, A = Q_target − V a constant.

    The AWAC term (Nair et al. 2020). β = 0 imitates every token alike.
    """
    check_shapes(
        logprobs_BT=logprobs_BT, advantages_BT=advantages_BT, action_mask_BT=action_mask_BT
    )
    zero = logprobs_BT.new_zeros(())
    advantages_BT = torch.where(action_mask_BT, advantages_BT.detach(), zero)
    weighted_BT = (beta * advantages_BT).exp() * torch.where(action_mask_BT, logprobs_BT, zero)
    return -masked_sum(values_BT=weighted_BT, mask_BT=action_mask_BT) / denominator


def guided_logits(
    *, logits_BV: torch.Tensor, q_BV: torch.Tensor, values_B: torch.Tensor, strength: float
) -> torch.Tensor:
    """log π + β (Q − V), [B, V], what ILQL samples from; ``strength`` is β.

    Snell et al. 2023. V is the same for all tokens, so it moves no probability.
    """
    check_shapes(logits_BV=logits_BV, q_BV=q_BV, values_B=values_B)
    advantages_BV = q_BV - values_B.unsqueeze(-1)
    return torch.log_softmax(logits_BV.float(), dim=-1) + strength * advantages_BV
