"""GRPO: rewards in units of their group's own spread, a clipped ratio, the KL in the loss.

Shao et al. 2024 (DeepSeekMath).
"""

from functools import partial

import torch

from preftune.algorithms.groups import (
    clipped_objective,
    compared,
    grouped,
    one_optimizer,
    token_surrogate,
)
from preftune.algorithms.on_policy import Evaluate, OnPolicyResult, Turns, judge, sample, update
from preftune.algorithms.on_policy_inputs import OnPolicyInputs
from preftune.maths.baselines import batch_scaled, group_scaled, group_scaled_population
from preftune.recipe import GRPO
from preftune.records import Generate, Score
from preftune.training import Journal


def grpo(
    recipe: GRPO,
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
        advantages_NG = scaled(recipe, grouped(scored.scores_B, recipe.samples))
        rollout = compared(scored, scored.scores_B, advantages_NG, recipe.samples)
        objective_of = partial(
            clipped_objective, recipe, inputs, rollout, surrogate, turn.kl_coefficient
        )
        updated = update(recipe, training, turn, scored, objective_of)
        turns.close(turn, scored, rollout.metrics() | updated)
    return turns.result


def scaled(recipe: GRPO, rewards_NG: torch.Tensor) -> torch.Tensor:
    """Rewards less their group's mean, over the spread that the recipe names, [N, G]."""
    if recipe.scale == "batch":
        return batch_scaled(rewards_NG=rewards_NG)
    if recipe.scale == "group_population":
        return group_scaled_population(rewards_NG=rewards_NG)
    return group_scaled(rewards_NG=rewards_NG)
