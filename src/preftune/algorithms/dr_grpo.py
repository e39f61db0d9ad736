"""Dr. GRPO: GRPO done right, without the divisions by spread and by length.

Liu et al. 2025, *Understanding R1-Zero-like training*.
"""

from functools import partial

from preftune.algorithms.groups import (
    clipped_objective,
    compared,
    grouped,
    one_optimizer,
    token_surrogate,
)
from preftune.algorithms.on_policy import Evaluate, OnPolicyResult, Turns, judge, sample, update
from preftune.algorithms.on_policy_inputs import OnPolicyInputs
from preftune.maths.baselines import above_group_mean
from preftune.recipe import DrGRPO
from preftune.records import Generate, Score
from preftune.training import Journal


def dr_grpo(
    recipe: DrGRPO,
    inputs: OnPolicyInputs,
    generate: Generate,
    score: Score,
    journal: Journal,
    evaluate: Evaluate,
) -> OnPolicyResult:
    """Leaves the optimised weights in ``inputs.policy``."""
    training = one_optimizer(recipe, inputs)
    turns = Turns(recipe, inputs, training, journal, evaluate)
    surrogate = token_surrogate(recipe)
    for turn in turns:
        completions = sample(recipe, inputs, generate, turn.number)
        scored = judge(recipe, inputs, completions, score, turn.multipliers)
        advantages_NG = above_group_mean(rewards_NG=grouped(scored.scores_B, recipe.samples))
        rollout = compared(scored, scored.scores_B, advantages_NG, recipe.samples)
        objective_of = partial(
            clipped_objective, recipe, inputs, rollout, surrogate, turn.kl_coefficient
        )
        updated = update(recipe, training, turn, scored, objective_of)
        turns.close(turn, scored, rollout.metrics() | updated)
    return turns.result
