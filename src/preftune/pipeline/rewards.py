"""Opening a recipe's rewards, and what of a user's code a stage depends on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from preftune.artifacts import hash_callable
from preftune.models import Renderer
from preftune.pipeline.context import StageContext
from preftune.pipeline.engines import open_reward_model
from preftune.recipe import Section
from preftune.recipe.rewards import Reward, callables_in
from preftune.records import Score
from preftune.rewards import (
    CallableScore,
    ComposedScore,
    EnsembleScore,
    Part,
    RewardModelScore,
    RuleScore,
    load_callable,
    same_vocabulary,
    training_score,
)

REWARD_MODEL = "reward_model"


def open_rewards(context: StageContext[Any], renderer: Renderer) -> Score:
    """What a stage's policy is trained on: ``reward_model``, ``rewards``, or both added up.

    A reward model reads the policy's own ids where the tokenizers agree, else the text with its
    own tokenizer. Raises :class:`BadInput`.
    """
    settings = context.settings
    parts: list[Part] = []
    if settings.reward_model is not None:
        parts.append(Part(REWARD_MODEL, _model(context, REWARD_MODEL, renderer)))
    rewards: Mapping[str, Reward] = settings.rewards
    for name, reward in rewards.items():
        score: Score
        if reward.callable is not None:
            score = CallableScore(name, load_callable(reward.callable))
        elif reward.rule is not None:
            score = RuleScore(reward.rule)
        else:
            score = _model(context, f"rewards.{name}.model", renderer)
        parts.append(Part(name, score, reward.weight))
    if not rewards:
        return training_score(parts[0].score)
    return training_score(ComposedScore(tuple(parts)))


def callable_hashes(settings: Section) -> dict[str, str]:
    """The source hash of every function among a stage's rewards. Raises :class:`BadInput`."""
    return {
        name: hash_callable(load_callable(reference))
        for name, reference in callables_in(settings).items()
    }


def _model(
    context: StageContext[Any], role: str, renderer: Renderer
) -> RewardModelScore | EnsembleScore:
    score = open_reward_model(context, role)
    return replace(
        score,
        same_ids=same_vocabulary(renderer, score.renderer),
        micro_batch_tokens=context.settings.micro_batch_tokens,
    )
