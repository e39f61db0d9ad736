"""What stories with a learned value share: its values, and the credit they give to tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from preftune.algorithms.on_policy_inputs import OnPolicyInputs
from preftune.algorithms.reading import MicroBatch, tabulate
from preftune.algorithms.scoring import ScoredRollout
from preftune.maths.advantages import generalised_advantages, token_rewards
from preftune.maths.kl import k1, k2, k3
from preftune.maths.losses.ppo import PolicyLoss, value_loss
from preftune.maths.masked import (
    masked_mean,
    masked_sum,
    masked_variance,
    scale_to_unit_variance,
    whiten,
)
from preftune.models import Row, collate, values
from preftune.recipe import Clipped, OnPolicyWithCritic
from preftune.training import Besides, Loss, Training

KL = {"k1": k1, "k2": k2, "k3": k3}
"""The estimators a token's KL may be paid by."""


@dataclass(frozen=True, slots=True)
class CriticInputs(OnPolicyInputs):
    """With a value network that learns too; its body may be the policy's own."""

    value: PreTrainedModel


@dataclass(frozen=True, slots=True)
class CreditedRollout:
    """A scored rollout whose tokens have values, rewards, advantages and returns, all [B, T]."""

    scored: ScoredRollout
    values_BT: torch.Tensor
    rewards_BT: torch.Tensor
    advantages_BT: torch.Tensor
    returns_BT: torch.Tensor

    def metrics(self) -> dict[str, float]:
        mask = self.scored.action_mask_BT
        reward = float(masked_sum(values_BT=self.rewards_BT, mask_BT=mask)) / len(mask)
        left = masked_variance(values_BT=self.returns_BT - self.values_BT, mask_BT=mask)
        spread = masked_variance(values_BT=self.returns_BT, mask_BT=mask)
        return {
            "objective/rlhf_reward": reward,
            "objective/non_score_reward": reward - float(self.scored.scores_B.mean()),
            "value/explained_variance": 1.0 - float(left) / max(float(spread), 1e-8),
            "value/mean_return": float(masked_mean(values_BT=self.returns_BT, mask_BT=mask)),
        }


def two_optimizers(
    recipe: OnPolicyWithCritic, inputs: CriticInputs, besides: Besides = lambda at: ()
) -> Training:
    """The policy and the value network, each with its own optimizer.

    A value that shares the policy's body has its head in the second optimizer, the body in the
    first. ``besides`` joins every step in which the policy learns.
    """
    return Training(
        {"policy": inputs.policy, "value": value_parameters(recipe, inputs)},
        {"policy": recipe.optimizer, "value": recipe.value_optimizer},
        total_steps=recipe.iterations * recipe.epochs * recipe.minibatches,
        seed=inputs.seed,
        besides=besides,
    )


def value_parameters(recipe: OnPolicyWithCritic, inputs: CriticInputs) -> nn.Module:
    """What the value's optimizer moves: the whole network, or the head alone."""
    head = inputs.value.score
    assert isinstance(head, nn.Module)
    return inputs.value if recipe.value == "separate" else head


def credit(
    recipe: OnPolicyWithCritic, inputs: CriticInputs, scored: ScoredRollout, kl_coefficient: float
) -> CreditedRollout:
    """Values, rewards on tokens, then advantages (whitened after the returns are taken).

    Only k1 is an unbiased price for the KL: see :mod:`preftune.maths.kl`.
    """
    mask = scored.action_mask_BT

    def read(rows: Sequence[Row]) -> torch.Tensor:
        return values(inputs.value, collate(rows, inputs.pad_id, inputs.value.device))

    values_BT = tabulate(recipe, inputs, scored.rows, read)
    rewards = token_rewards(
        scores_B=scored.scores_B,
        kl_BT=KL[recipe.kl_estimator](
            logprobs_BT=scored.logprobs_BT, reference_logprobs_BT=scored.reference_logprobs_BT
        ),
        action_mask_BT=mask,
        kl_coefficient=kl_coefficient,
    )
    if recipe.whiten_rewards:
        rewards = scale_to_unit_variance(values_BT=rewards, mask_BT=mask)
    estimated = generalised_advantages(
        rewards_BT=rewards,
        values_BT=values_BT,
        action_mask_BT=mask,
        gamma=recipe.gamma,
        lam=recipe.lam,
    )
    advantages = estimated.advantages_BT
    if recipe.whiten_advantages:
        advantages = whiten(values_BT=advantages, mask_BT=mask)
    return CreditedRollout(
        scored=scored,
        values_BT=values_BT,
        rewards_BT=rewards,
        advantages_BT=advantages,
        returns_BT=estimated.returns_BT,
    )


def values_now(recipe: OnPolicyWithCritic, inputs: CriticInputs, micro: MicroBatch) -> torch.Tensor:
    """The values of these responses, [B, T], with gradient.

    A shared body learns from them only where the policy learns too.
    """
    body_learns = recipe.value == "separate" or micro.now.logprobs_BT.requires_grad
    return values(inputs.value, micro.batch, body_learns)


def with_value_loss(
    recipe: Clipped,
    inputs: CriticInputs,
    rollout: CreditedRollout,
    micro: MicroBatch,
    policy: PolicyLoss,
    tokens: int,
) -> Loss:
    """L_policy + c_v L_value on these responses (Schulman et al. 2017, eq. 9), and what is seen."""
    critic = value_loss(
        values_BT=values_now(recipe, inputs, micro),
        old_values_BT=micro.of(rollout.values_BT),
        returns_BT=micro.of(rollout.returns_BT),
        action_mask_BT=micro.mask_BT,
        cliprange_value=recipe.cliprange_value,
        denominator=tokens,
    )
    return Loss(
        policy.loss + recipe.vf_coef * critic.loss,
        micro.sums(rollout.scored)
        | {
            "loss/policy_avg": policy.loss.detach() * tokens,
            "loss/value_avg": critic.loss.detach() * tokens,
            "policy/clipfrac_avg": policy.clipped,
            "val/clipfrac_avg": critic.clipped,
        },
    )


def warming(recipe: OnPolicyWithCritic, number: int) -> bool:
    """Whether only the value learns in this iteration (from 1)."""
    return number <= recipe.critic_warmup
