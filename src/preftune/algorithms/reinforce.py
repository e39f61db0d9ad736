"""REINFORCE: sample → score → compare with the baseline → one step of the policy gradient.

Williams 1992; for language models with the KL in the reward, Ahmadian et al. 2024. The response
is one action: all of its tokens share one advantage.
"""

from functools import partial

import torch

from preftune.algorithms.groups import (
    ComparedRollout,
    compared,
    one_optimizer,
    penalised_rewards,
)
from preftune.algorithms.on_policy import (
    Evaluate,
    Objective,
    OnPolicyResult,
    Turns,
    judge,
    sample,
    update,
)
from preftune.algorithms.on_policy_inputs import OnPolicyInputs
from preftune.algorithms.reading import micro_batch
from preftune.maths.baselines import above_batch_mean, moving_average
from preftune.maths.losses.reinforce import reinforce_loss
from preftune.recipe import Reinforce
from preftune.records import Generate, Score
from preftune.training import Journal, Loss


def reinforce(
    recipe: Reinforce,
    inputs: OnPolicyInputs,
    generate: Generate,
    score: Score,
    journal: Journal,
    evaluate: Evaluate,
) -> OnPolicyResult:
    """Leaves the optimised weights in ``inputs.policy``. The moving average is checkpointed."""
    training = one_optimizer(recipe, inputs)
    turns = Turns(recipe, inputs, training, journal, evaluate)
    for turn in turns:
        completions = sample(recipe, inputs, generate, turn.number)
        scored = judge(recipe, inputs, completions, score, turn.multipliers)
        rewards_B = penalised_rewards(scored, turn.kl_coefficient)
        average = float(turns.state.get("average", rewards_B.mean()))
        advantages_B = above_baseline(recipe, rewards_B, average)
        rollout = compared(scored, rewards_B, advantages_B, recipe.samples)
        updated = update(recipe, training, turn, scored, partial(objective, inputs, rollout))
        turns.state["average"] = moving_average(
            average=average, rewards_B=rewards_B, decay=recipe.baseline_decay
        )
        turns.close(turn, scored, rollout.metrics() | updated)
    return turns.result


def above_baseline(recipe: Reinforce, rewards_B: torch.Tensor, average: float) -> torch.Tensor:
    """Rewards less the recipe's baseline, [B]. ``average`` is of earlier iterations."""
    if recipe.baseline == "batch_mean":
        return above_batch_mean(rewards_B=rewards_B)
    return rewards_B - (average if recipe.baseline == "moving_average" else 0.0)


def objective(
    inputs: OnPolicyInputs, rollout: ComparedRollout, tokens: int, responses: int
) -> Objective:
    """−A_i log π(y_i), the mean over responses."""

    def of(indices: list[int]) -> Loss:
        micro = micro_batch(inputs, rollout.scored, indices)
        loss = reinforce_loss(
            logprobs_BT=micro.now.logprobs_BT,
            advantages_BT=micro.of(rollout.advantages_BT),
            action_mask_BT=micro.mask_BT,
            denominator=responses,
        )
        sums = micro.sums(rollout.scored) | {"loss/policy_avg": loss.detach() * tokens}
        return Loss(loss, sums)

    return of
