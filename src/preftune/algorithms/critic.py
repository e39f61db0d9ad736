"""What stories with a value network share: its values, and the credit they give to tokens."""

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from preftune.algorithms.on_policy import MicroBatch, OnPolicyInputs, ScoredRollout, tabulate
from preftune.maths.advantages import generalised_advantages, token_rewards
from preftune.maths.losses.ppo import ValueLoss, value_loss
from preftune.maths.masked import (
    masked_mean,
    masked_sum,
    masked_variance,
    scale_to_unit_variance,
    whiten,
)
from preftune.models import values
from preftune.recipe import OnPolicyWithCritic
from preftune.training import Training


@dataclass(frozen=True, slots=True)
class CriticInputs(OnPolicyInputs):
    """With a value network that learns too."""

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


def two_optimizers(recipe: OnPolicyWithCritic, inputs: CriticInputs) -> Training:
    """The policy and the value network, each with its own optimizer."""
    return Training(
        {"policy": inputs.policy, "value": inputs.value},
        {"policy": recipe.optimizer, "value": recipe.value_optimizer},
        total_steps=recipe.iterations * recipe.epochs * recipe.minibatches,
        seed=inputs.seed,
    )


def credit(
    recipe: OnPolicyWithCritic, inputs: CriticInputs, scored: ScoredRollout, kl_coefficient: float
) -> CreditedRollout:
    """Values, rewards on tokens, then advantages (whitened after the returns are taken)."""
    mask = scored.action_mask_BT
    values_BT = tabulate(recipe, inputs, scored.rows, lambda batch: values(inputs.value, batch))
    rewards = token_rewards(
        scores_B=scored.scores_B,
        kl_BT=scored.kl_BT,
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
    return CreditedRollout(
        scored=scored,
        values_BT=values_BT,
        rewards_BT=rewards,
        advantages_BT=whiten(values_BT=estimated.advantages_BT, mask_BT=mask),
        returns_BT=estimated.returns_BT,
    )


def clipped_value_loss(
    recipe: OnPolicyWithCritic,
    inputs: CriticInputs,
    rollout: CreditedRollout,
    micro: MicroBatch,
    tokens: int,
) -> ValueLoss:
    """The value network's error on these responses, with gradient."""
    return value_loss(
        values_BT=values(inputs.value, micro.batch),
        old_values_BT=micro.of(rollout.values_BT),
        returns_BT=micro.of(rollout.returns_BT),
        action_mask_BT=micro.mask_BT,
        cliprange_value=recipe.cliprange_value,
        denominator=tokens,
    )


def warming(recipe: OnPolicyWithCritic, number: int) -> bool:
    """Whether only the value network learns in this iteration (from 1)."""
    return number <= recipe.critic_warmup
