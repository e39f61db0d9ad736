"""DAPO: GRPO with a wider upper clip, the mean over tokens, groups with spread, and no KL.

Yu et al. 2025. The score loses up to 1 for running long; groups whose scores agree teach nothing
and are drawn again (dynamic sampling).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch

from preftune.algorithms.groups import (
    clipped_objective,
    compared,
    grouped,
    one_optimizer,
    token_surrogate,
)
from preftune.algorithms.on_policy import Evaluate, OnPolicyResult, Turns, judge, respond, update
from preftune.algorithms.on_policy_inputs import OnPolicyInputs
from preftune.algorithms.scoring import ScoredRollout
from preftune.artifacts import derive_seed
from preftune.maths.baselines import group_scaled
from preftune.maths.overlong import soft_overlong_punishment
from preftune.recipe import DAPO
from preftune.records import Axes, Completion, Generate, Score
from preftune.training import Journal


def dapo(
    recipe: DAPO,
    inputs: OnPolicyInputs,
    generate: Generate,
    score: Score,
    journal: Journal,
    evaluate: Evaluate,
) -> OnPolicyResult:
    """Leaves the optimised weights in ``inputs.policy``. Prompts drawn are checkpointed."""
    training = one_optimizer(recipe, inputs)
    turns = Turns(recipe, inputs, training, journal, evaluate)
    surrogate = token_surrogate(recipe)
    for turn in turns:
        drawn = int(turns.state.get("drawn", 0))
        chosen = sample_with_spread(recipe, inputs, generate, score, drawn)
        scored = punished(
            recipe, judge(recipe, inputs, chosen.completions, chosen.score, turn.multipliers)
        )
        advantages_NG = group_scaled(rewards_NG=grouped(scored.scores_B, recipe.samples))
        rollout = compared(scored, scored.scores_B, advantages_NG, recipe.samples)
        objective_of = partial(
            clipped_objective, recipe, inputs, rollout, surrogate, turn.kl_coefficient
        )
        updated = update(recipe, training, turn, scored, objective_of)
        turns.state["drawn"] = chosen.drawn
        each = recipe.rollouts // recipe.samples
        row = rollout.metrics() | {"sampling/groups_drawn": (chosen.drawn - drawn) / each}
        turns.close(turn, scored, row | updated, chosen.thrown_away)
    return turns.result


@dataclass(frozen=True, slots=True)
class Remembered:
    """Scores that were given before, in the completions' order."""

    axes: Sequence[Axes | None]
    origin: str

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return list(self.axes)


class Chosen(NamedTuple):
    """An iteration's responses, their scores, and how many prompts the run has drawn so far.

    ``thrown_away`` are the tokens of the groups that were drawn and left out.
    """

    completions: list[Completion]
    score: Remembered
    drawn: int
    thrown_away: int


def sample_with_spread(
    recipe: DAPO, inputs: OnPolicyInputs, generate: Generate, score: Score, drawn: int
) -> Chosen:
    """Groups whose scores differ; once the refills are used up, the first ones that do not."""
    wanted = recipe.rollouts // recipe.samples
    kept: list[tuple[list[Completion], list[Axes | None]]] = []
    flat: list[tuple[list[Completion], list[Axes | None]]] = []
    for _ in range(1 + recipe.refills):
        places = range(drawn, drawn + wanted - len(kept))
        seed = derive_seed(inputs.seed, "rollout", "dapo", drawn)
        completions = respond(recipe, inputs, generate, places, seed)
        axes = score(completions)
        drawn = places.stop
        for first in range(0, len(completions), recipe.samples):
            group = slice(first, first + recipe.samples)
            (kept if spread(axes[group]) > recipe.least_spread else flat).append(
                (completions[group], axes[group])
            )
        if len(kept) == wanted:
            break
    groups, left = (kept + flat)[:wanted], (kept + flat)[wanted:]
    completions = [completion for group, _ in groups for completion in group]
    said = [each for _, axes_of_group in groups for each in axes_of_group]
    thrown_away = sum(len(completion.token_ids) for group, _ in left for completion in group)
    return Chosen(completions, Remembered(said, score.origin), drawn, thrown_away)


def spread(axes: Sequence[Axes | None]) -> float:
    """Highest minus lowest score of a group; a missing score counts as none."""
    known = [each["score"] for each in axes if each is not None]
    return max(known) - min(known) if known else 0.0


def punished(recipe: DAPO, scored: ScoredRollout) -> ScoredRollout:
    """With what long responses lose taken off their scores."""
    punishment_B = soft_overlong_punishment(
        lengths_B=scored.action_mask_BT.sum(-1).to(torch.float32),
        longest=recipe.sampling.max_new_tokens,
        buffer=recipe.buffer,
    )
    return replace(scored, scores_B=scored.scores_B + punishment_B)
