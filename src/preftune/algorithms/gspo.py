"""GSPO: GRPO whose ratio is one number for a response.

Zheng et al. 2025.
"""

from functools import partial

from preftune.algorithms.groups import (
    ComparedRollout,
    Surrogate,
    clipped_objective,
    compared,
    grouped,
    one_optimizer,
)
from preftune.algorithms.on_policy import Evaluate, OnPolicyResult, Turns, judge, sample, update
from preftune.algorithms.on_policy_inputs import OnPolicyInputs
from preftune.algorithms.reading import MicroBatch
from preftune.maths.baselines import group_scaled
from preftune.maths.losses.grpo import SurrogateLosses
from preftune.maths.losses.gspo import gspo_losses, gspo_token_losses
from preftune.recipe import GSPO
from preftune.records import Generate, Score
from preftune.training import Journal


def gspo(
    recipe: GSPO,
    inputs: OnPolicyInputs,
    generate: Generate,
    score: Score,
    journal: Journal,
    evaluate: Evaluate,
) -> OnPolicyResult:
    """Leaves the optimised weights in ``inputs.policy``."""
    training = one_optimizer(recipe, inputs)
    turns = Turns(recipe, inputs, training, journal, evaluate)
    surrogate = sequence_surrogate(recipe)
    for turn in turns:
        completions = sample(recipe, inputs, generate, turn.number)
        scored = judge(recipe, inputs, completions, score, turn.multipliers)
        advantages_NG = group_scaled(rewards_NG=grouped(scored.scores_B, recipe.samples))
        rollout = compared(scored, scored.scores_B, advantages_NG, recipe.samples)
        objective_of = partial(
            clipped_objective, recipe, inputs, rollout, surrogate, turn.kl_coefficient
        )
        updated = update(recipe, training, turn, scored, objective_of)
        turns.close(turn, scored, rollout.metrics() | updated)
    return turns.result


def sequence_surrogate(recipe: GSPO) -> Surrogate:
    """A clipped ratio for each response, or GSPO-token's of the same value."""

    def losses(rollout: ComparedRollout, micro: MicroBatch) -> SurrogateLosses:
        if recipe.ratio == "token":
            return gspo_token_losses(
                logprobs_BT=micro.now.logprobs_BT,
                old_logprobs_BT=micro.of(rollout.scored.logprobs_BT),
                advantages_BT=micro.of(rollout.advantages_BT),
                action_mask_BT=micro.mask_BT,
                cliprange_low=recipe.cliprange_low,
                cliprange_high=recipe.cliprange_high,
            )
        return gspo_losses(
            logprobs_BT=micro.now.logprobs_BT,
            old_logprobs_BT=micro.of(rollout.scored.logprobs_BT),
            advantages_B=micro.of(rollout.advantages_B),
            action_mask_BT=micro.mask_BT,
            cliprange_low=recipe.cliprange_low,
            cliprange_high=recipe.cliprange_high,
        )

    return losses
