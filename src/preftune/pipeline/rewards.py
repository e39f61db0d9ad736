"""Opening a recipe's rewards, and what of a user's code a stage depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from transformers import PreTrainedModel

from preftune.artifacts import hash_callable
from preftune.judging import CACHE, Ask, HttpJudge
from preftune.models import Renderer, load_policy, load_tokenizer, renderer_for
from preftune.pipeline.context import StageContext
from preftune.pipeline.engines import open_reward_model
from preftune.pipeline.networks import over_policy
from preftune.recipe import Section
from preftune.recipe.judge import JudgeReward
from preftune.recipe.profiles import mixes, with_weights
from preftune.recipe.rewards import Reward, SeveralObjectives, callables_in
from preftune.records import Prompt, Score
from preftune.rewards import (
    WEIGHTS,
    CallableScore,
    Combine,
    ComposedScore,
    EnsembleScore,
    Part,
    PropositionScore,
    RatingScore,
    RewardModelScore,
    RuleScore,
    SwitchedSum,
    UnpromptedScore,
    load_callable,
    prompted_sum,
    same_vocabulary,
    training_score,
    weighted_sum,
)
from preftune.rollouts import NativeChoose

REWARD_MODEL = "reward_model"


def open_rewards(
    context: StageContext[Any], renderer: Renderer, policy: PreTrainedModel | None = None
) -> Score:
    """What a stage's policy is trained on: ``reward_model``, ``rewards``, or both added up.

    A reward model reads the policy's own ids where the tokenizers agree, else the text with its
    own tokenizer. One that was trained as an adapter over what the ``policy`` learns over shares
    the policy's weights. Raises :class:`BadInput`.
    """
    settings = context.settings
    parts: list[Part] = []
    if settings.reward_model is not None:
        parts.append(Part(REWARD_MODEL, _model(context, REWARD_MODEL, renderer, policy)))
    rewards: Mapping[str, Reward] = settings.rewards
    for name, reward in rewards.items():
        score: Score
        if reward.callable is not None:
            score = CallableScore(name, load_callable(reward.callable))
        elif reward.rule is not None:
            score = RuleScore(reward.rule)
        elif reward.judge is not None:
            score = _judged(context, f"rewards.{name}.judge.model", reward.judge)
        else:
            score = _model(context, f"rewards.{name}.model", renderer, policy)
        parts.append(Part(name, score, reward.weight, reward.gate))
    if not rewards:
        return training_score(parts[0].score)
    composed = training_score(ComposedScore(tuple(parts), _combine(settings)))
    weighed = settings.weights_in_prompt
    return composed if weighed is None else UnpromptedScore(composed, weighed.words, renderer)


def prompted_weights(prompts: Sequence[Prompt], settings: SeveralObjectives) -> list[Prompt]:
    """Where the policy reads the weights of its reward, every prompt with every mix of them."""
    weighed = settings.weights_in_prompt
    if weighed is None:
        return list(prompts)
    return [
        Prompt(with_weights(prompt.text, weighed.words, mix), {**prompt.columns, WEIGHTS: mix})
        for prompt in prompts
        for mix in mixes(weighed.parts, weighed.steps)
    ]


def _combine(settings: SeveralObjectives) -> Combine:
    if settings.safety_switch is not None:
        models = {name for name, reward in settings.rewards.items() if reward.model is not None}
        return SwitchedSum(settings.safety_switch, frozenset({REWARD_MODEL, *models}))
    return weighted_sum if settings.weights_in_prompt is None else prompted_sum


def callable_hashes(settings: Section) -> dict[str, str]:
    """The source hash of every function among a stage's rewards. Raises :class:`BadInput`."""
    return {
        name: hash_callable(load_callable(reference))
        for name, reference in callables_in(settings).items()
    }


def _judged(context: StageContext[Any], role: str, judge: JudgeReward) -> Score:
    """A judge's rating, or its weighed propositions."""
    ask: Ask
    if judge.endpoint is not None:
        ask = HttpJudge(judge.endpoint, CACHE).ask
    else:
        source = context.inputs[role]
        policy = load_policy(source, context.device)
        reader = renderer_for(policy, load_tokenizer(source), source)
        ask = NativeChoose(policy, reader, context.settings.micro_batch_tokens).ask
    if judge.propositions:
        words = {name: proposition.text for name, proposition in judge.propositions.items()}
        weights = {name: p.weight for name, p in judge.propositions.items()}
        return PropositionScore(ask, words, weights=weights)
    if judge.question is None:
        return RatingScore(ask, highest=judge.highest)
    return RatingScore(ask, judge.question, judge.highest)


def _model(
    context: StageContext[Any], role: str, renderer: Renderer, policy: PreTrainedModel | None
) -> RewardModelScore | EnsembleScore:
    shared = None
    if policy is not None:
        shared = over_policy(context, role, policy, role.replace(".", "_"), trained=False)
    if shared is not None:
        reads = renderer_for(shared, load_tokenizer(context.inputs[role]), context.inputs[role])
        score: RewardModelScore | EnsembleScore = RewardModelScore(shared, reads, same_ids=False)
    else:
        score = open_reward_model(context, role)
    return replace(
        score,
        same_ids=same_vocabulary(renderer, score.renderer),
        micro_batch_tokens=context.settings.micro_batch_tokens,
    )
