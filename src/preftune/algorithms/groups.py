"""What critic-free stories share: rewards compared with each other, the surrogate, the mean."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from preftune.algorithms.on_policy import Objective
from preftune.algorithms.on_policy_inputs import OnPolicyInputs
from preftune.algorithms.reading import MicroBatch, micro_batch
from preftune.algorithms.scoring import ScoredRollout
from preftune.maths.aggregation import (
    constant_mean,
    local_token_mean,
    sequence_mean,
    token_mean,
)
from preftune.maths.baselines import sequence_rewards
from preftune.maths.losses.grpo import (
    SurrogateLosses,
    k2_losses,
    k3_losses,
    surrogate_losses,
    weighted_k3_losses,
)
from preftune.maths.masked import masked_sum
from preftune.recipe import ClippedGroups, OnPolicy
from preftune.training import Loss, Training

Surrogate = Callable[["ComparedRollout", MicroBatch], SurrogateLosses]
"""The policy's losses on the tokens of a micro-batch, before any mean."""


@dataclass(frozen=True, slots=True)
class ComparedRollout:
    """A scored rollout whose responses have a reward, [B], and an advantage at each token, [B, T].

    ``group`` responses to one prompt stand side by side.
    """

    scored: ScoredRollout
    rewards_B: torch.Tensor
    advantages_BT: torch.Tensor
    group: int

    @property
    def advantages_B(self) -> torch.Tensor:
        """Each response's advantage, where all of its tokens share it."""
        return self.advantages_BT[:, 0]

    def metrics(self) -> dict[str, float]:
        return reward_metrics(self.scored, self.rewards_B, self.group)


def reward_metrics(scored: ScoredRollout, rewards_B: torch.Tensor, group: int) -> dict[str, float]:
    """What the policy is trained on, and how far rewards of one prompt lie apart."""
    reward = float(rewards_B.mean())
    found = {
        "objective/rlhf_reward": reward,
        "objective/non_score_reward": reward - float(scored.scores_B.mean()),
    }
    if group > 1:
        spread_N = grouped(rewards_B, group).std(-1)
        found["reward_std"] = float(spread_N.mean())
        found["frac_reward_zero_std"] = float((spread_N < 1e-6).float().mean())
    return found


def one_optimizer(recipe: OnPolicy, inputs: OnPolicyInputs) -> Training:
    """The policy and nothing else learns."""
    return Training(
        {"policy": inputs.policy},
        {"policy": recipe.optimizer},
        total_steps=recipe.iterations * recipe.epochs * recipe.minibatches,
        seed=inputs.seed,
    )


def grouped(values_B: torch.Tensor, group: int) -> torch.Tensor:
    """[B] as [N, G]: the responses to one prompt in a row."""
    return values_B.view(-1, group)


def penalised_rewards(scored: ScoredRollout, kl_coefficient: float) -> torch.Tensor:
    """Scores minus the price of each response's KL, [B]."""
    return sequence_rewards(
        scores_B=scored.scores_B,
        kl_BT=scored.kl_BT,
        action_mask_BT=scored.action_mask_BT,
        kl_coefficient=kl_coefficient,
    )


def compared(
    scored: ScoredRollout, rewards_B: torch.Tensor, advantages: torch.Tensor, group: int
) -> ComparedRollout:
    """Advantages of whole responses, [B] or [N, G], given to each of their tokens."""
    mask_BT = scored.action_mask_BT
    spread_BT = advantages.reshape(-1, 1).expand(mask_BT.shape)
    advantages_BT = torch.where(mask_BT, spread_BT, spread_BT.new_zeros(()))
    return ComparedRollout(scored, rewards_B, advantages_BT, group)


def token_surrogate(recipe: ClippedGroups) -> Surrogate:
    """A clipped ratio at every token."""

    def losses(rollout: ComparedRollout, micro: MicroBatch) -> SurrogateLosses:
        return surrogate_losses(
            logprobs_BT=micro.now.logprobs_BT,
            old_logprobs_BT=micro.of(rollout.scored.logprobs_BT),
            advantages_B=micro.of(rollout.advantages_B),
            action_mask_BT=micro.mask_BT,
            cliprange_low=recipe.cliprange_low,
            cliprange_high=recipe.cliprange_high,
        )

    return losses


def clipped_objective(
    recipe: ClippedGroups,
    inputs: OnPolicyInputs,
    rollout: ComparedRollout,
    surrogate: Surrogate,
    kl_coefficient: float,
    tokens: int,
    responses: int,
) -> Objective:
    """The recipe's mean of surrogate + β KL over the tokens of a minibatch."""
    scored = rollout.scored

    def of(indices: list[int]) -> Loss:
        micro = micro_batch(inputs, scored, indices)
        policy = surrogate(rollout, micro)
        kl_BT = kl_losses(recipe, scored, micro)
        losses_BT = policy.losses_BT + kl_coefficient * kl_BT
        total = aggregated(recipe, losses_BT, micro.mask_BT, tokens, responses)
        return Loss(
            total,
            micro.sums(scored)
            | {
                "loss/policy_avg": total.detach() * tokens,
                "kl": masked_sum(values_BT=kl_BT.detach(), mask_BT=micro.mask_BT),
                "policy/clipfrac_avg": policy.clipped_low + policy.clipped_high,
                "clip_ratio/low_mean": policy.clipped_low,
                "clip_ratio/high_mean": policy.clipped_high,
            },
        )

    return of


def kl_losses(recipe: ClippedGroups, scored: ScoredRollout, micro: MicroBatch) -> torch.Tensor:
    """The recipe's estimator of the KL to the reference, [B, T]."""
    tables = {
        "logprobs_BT": micro.now.logprobs_BT,
        "reference_logprobs_BT": micro.of(scored.reference_logprobs_BT),
        "action_mask_BT": micro.mask_BT,
    }
    if recipe.kl_estimator == "k3_weighted":
        return weighted_k3_losses(old_logprobs_BT=micro.of(scored.logprobs_BT), **tables)
    return k2_losses(**tables) if recipe.kl_estimator == "k2" else k3_losses(**tables)


def aggregated(
    recipe: ClippedGroups,
    losses_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    tokens: int,
    responses: int,
) -> torch.Tensor:
    """The recipe's mean; ``tokens`` and ``responses`` are counts of the whole optimizer step."""
    if recipe.aggregation == "token_mean":
        return token_mean(losses_BT=losses_BT, action_mask_BT=mask_BT, tokens=tokens)
    if recipe.aggregation == "constant":
        return constant_mean(
            losses_BT=losses_BT,
            action_mask_BT=mask_BT,
            responses=responses,
            longest=recipe.sampling.max_new_tokens,
        )
    mean = sequence_mean if recipe.aggregation == "sequence_mean" else local_token_mean
    return mean(losses_BT=losses_BT, action_mask_BT=mask_BT, responses=responses)
