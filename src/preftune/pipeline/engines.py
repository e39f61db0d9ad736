"""Opening what generates and what judges: the place where words and numbers meet."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from preftune.models import (
    GUIDANCE,
    load_linear,
    load_policy,
    load_reward_model,
    load_tokenizer,
    load_value_heads,
    read_ensemble,
    renderer_for,
    stop_ids,
)
from preftune.pipeline.context import StageContext
from preftune.pipeline.sources import GOLD
from preftune.recipe import NativeRollouts, SamplingSettings, TransformersRollouts
from preftune.records import Completion, Prompt, Sampling, Score, StopReason
from preftune.rewards import EnsembleScore, LinearPart, RewardModelScore
from preftune.rollouts import (
    Backend,
    HostedEngine,
    NativeEngine,
    TransformersBackend,
    VLLMBackend,
    VLLMFleet,
    WeightsFolder,
)
from preftune.training.journal import CHECKPOINTS
from preftune.worlds import gold_judge, world


def open_engine(
    context: StageContext[Any],
    role: str,
    sampling: SamplingSettings,
    device: torch.device | None = None,
) -> NativeEngine:
    """The native engine over the model of ``role``; its version is the model's content hash.

    The stage's device if none is named.
    """
    source = context.inputs[role]
    policy = load_policy(source, device or context.device)
    renderer = renderer_for(policy, load_tokenizer(source), source)
    version = context.hashes.get(role, "")[:16]
    return NativeEngine(policy, renderer, version, batch_size=sampling.batch_size)


Engine = NativeEngine | HostedEngine
"""What writes responses for a stage that learns from them."""


def rollout_engine(context: StageContext[Any], native: NativeEngine) -> Engine:
    """What the recipe's ``engine`` says, for the same policy, which learns by now.

    Raises :class:`BadInput` where it is not installed, :class:`RunFailed` where servers are silent.
    """
    settings = context.settings.engine
    if isinstance(settings, NativeRollouts):
        return native
    backend: Backend
    if isinstance(settings, TransformersRollouts):
        backend = TransformersBackend(native.policy, settings)
    else:
        place = (
            Path(settings.weights) / context.name
            if settings.weights
            else context.folder / CHECKPOINTS
        )
        folder = WeightsFolder(place / "engine", native.renderer.tokenizer)
        backend = (
            VLLMFleet(settings, folder)
            if settings.urls
            else VLLMBackend(settings, folder, native.renderer.context)
        )
    return HostedEngine(
        native.policy, native.renderer, native.version, backend, native.longest_prompt
    )


def close_engine(engine: Engine) -> None:
    """Lets go of another's engine; the policy stays."""
    if isinstance(engine, HostedEngine):
        engine.backend.close()


def publisher(engine: Engine) -> Callable[[str], None]:
    """Hands the policy's weights to the engine under a version."""
    if isinstance(engine, HostedEngine):
        return engine.publish
    return partial(setattr, engine, "version")


def open_guided(context: StageContext[Any], role: str, sampling: SamplingSettings) -> NativeEngine:
    """The same with the value heads beside the model, where it has some.

    For stages that sample and do not train: a policy that learns from its samples is unguided.
    """
    engine = open_engine(context, role, sampling)
    engine.value_heads = load_value_heads(context.inputs[role], engine.policy)
    return engine


def sampling_of(settings: SamplingSettings, engine: NativeEngine, seed: int) -> Sampling:
    """A recipe's sampling settings for this engine's tokenizer."""
    return Sampling(
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        stop_token_ids=stop_ids(engine.renderer.tokenizer, settings.stop),
        seed=seed,
        value_guidance=guidance_of(settings.value_guidance, engine),
    )


def guidance_of(asked: float | None, engine: NativeEngine) -> float:
    """β as asked for; else the model's own where the engine has its value heads, 0 where not."""
    if asked is not None:
        return asked
    own = getattr(engine.policy.config, GUIDANCE, 0.0)
    return float(own) if engine.value_heads is not None else 0.0


def open_reward_model(context: StageContext[Any], role: str) -> RewardModelScore | EnsembleScore:
    """A reward model, or an ensemble as one, that renders text with its own tokenizer."""
    return reward_model_score(context.inputs[role], context.device)


def reward_model_score(
    source: str | Path, device: torch.device
) -> RewardModelScore | EnsembleScore:
    """The same from a folder or a hub name."""
    ensemble = read_ensemble(source)
    if ensemble is None:
        return _one_reward_model(source, device)
    linear = None
    if ensemble.linear is not None:
        linear = LinearPart(load_linear(Path(source) / ensemble.linear.folder), ensemble.linear)
    return EnsembleScore(
        members=tuple(_one_reward_model(Path(source) / m, device) for m in ensemble.members),
        offsets=ensemble.offsets,
        aggregation=ensemble.aggregation,
        temperature=ensemble.temperature,
        linear=linear,
    )


def _one_reward_model(source: str | Path, device: torch.device) -> RewardModelScore:
    model = load_reward_model(source, device)
    renderer = renderer_for(model, load_tokenizer(str(source).removeprefix("hub:")), source)
    return RewardModelScore(model, renderer, same_ids=False)


def open_judge(context: StageContext[Any], role: str) -> tuple[Score, str, float]:
    """A judge, the axis it decides by, and how close two scores are a tie."""
    source = str(context.inputs[role])
    if source.startswith(GOLD):
        name = source.removeprefix(GOLD)
        return gold_judge(name), "gold", world(name).tie_width
    return open_reward_model(context, role), "score", 0.0


def as_completion(prompt: Prompt, text: str) -> Completion:
    """A text from a file as a completion that ended by itself."""
    return Completion(prompt, text, StopReason.EOS, policy_version="file")
