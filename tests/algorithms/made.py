"""Small problems with known answers, and stories run on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from preftune.algorithms.a2c import a2c
from preftune.algorithms.nlpo import NLPOInputs, nlpo
from preftune.algorithms.on_policy import OnPolicyResult
from preftune.algorithms.ppo import PPOInputs, ppo
from preftune.algorithms.trpo import trpo
from preftune.models import ActionMask, Row, value_head_on
from preftune.monitoring import read_metrics
from preftune.recipe import A2C, NLPO, PPO, SFT, TRPO, OnPolicyWithCritic, RewardModel, Source
from preftune.records import Axes, Completion, Sampling
from preftune.rollouts import NativeEngine
from preftune.training import weights_of
from tests.models.made import make_policy, make_prompts, make_reward_model, renderer_of
from tests.training.made import quiet_journal

EOS, PAD = 0, 1


def sft_recipe(**settings: Any) -> SFT:
    given = {"model": "m", "train": "t", "batch_size": 8, "optimizer": {"learning_rate": 3e-3}}
    return SFT.model_validate(given | settings)


def reward_recipe(**settings: Any) -> RewardModel:
    given = {"model": "m", "train": "t", "batch_size": 16, "optimizer": {"learning_rate": 3e-3}}
    return RewardModel.model_validate(given | settings)


RECIPES: dict[str, type[OnPolicyWithCritic]] = {"ppo": PPO, "a2c": A2C, "trpo": TRPO, "nlpo": NLPO}


def critic_recipe(kind: str, **settings: Any) -> Any:
    """A short run of a method with a critic."""
    given = {
        "policy": Source("p"),
        "reward_model": Source("r"),
        "prompts": Source("x"),
        "iterations": 3,
        "rollouts": 16,
        "critic_warmup": 0,
        "sampling": {"max_new_tokens": 10, "temperature": 0.7},
    }
    if kind != "trpo":
        given["optimizer"] = {"learning_rate": 1e-3}
    return RECIPES[kind].model_validate(given | settings)


def ppo_recipe(**settings: Any) -> PPO:
    return critic_recipe("ppo", **settings)


def rows_of_rule(count: int, start: int = 0) -> list[Row]:
    """Prompts of one token a, answered by a + 1, a + 2 and the end."""
    return [
        Row((10 + i % 40,), (11 + i % 40, 12 + i % 40, EOS)) for i in range(start, start + count)
    ]


@dataclass
class Favourite:
    """A score of the tokens themselves: the share of them in ``liked``."""

    liked: range = range(150, 300)
    origin: str = "model"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return [
            {"score": sum(t in self.liked for t in c.token_ids) / len(c.token_ids)}
            for c in completions
        ]


@dataclass
class Run:
    """A run with everything that can be looked at afterwards."""

    inputs: Any
    published: list[dict[str, torch.Tensor]] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    result: OnPolicyResult | None = None


def make_run(
    recipe: OnPolicyWithCritic, family: str = "llama", dropout: float = 0.0, seed: int = 3
) -> Run:
    policy = make_policy(family, dropout=dropout)
    shared = getattr(recipe, "value", "separate") == "shared"
    value = value_head_on(policy) if shared else make_reward_model(family)
    sampling = Sampling(
        recipe.sampling.max_new_tokens, temperature=recipe.sampling.temperature, seed=0
    )
    published: list[dict[str, torch.Tensor]] = []
    versions: list[str] = []

    def publish(version: str) -> None:
        versions.append(version)
        published.append(weights_of(policy))

    kind: Any = PPOInputs
    more: dict[str, Any] = {}
    if isinstance(recipe, NLPO):
        kind = NLPOInputs
        network = make_policy(family, dropout=dropout)
        more["mask"] = ActionMask(network, recipe.top_p, recipe.min_tokens, (EOS, PAD))
    inputs = kind(
        **more,
        policy=policy,
        reference=make_policy(family, dropout=dropout),
        value=value,
        pad_id=PAD,
        prompts=make_prompts(24),
        seed=seed,
        sampling=sampling,
        publish=publish,
    )
    return Run(inputs, published, versions)


def run_story(
    folder: Path,
    recipe: OnPolicyWithCritic,
    run: Run | None = None,
    score: Callable[[Sequence[Completion]], list[Axes | None]] | None = None,
    evaluate: Callable[[int], Mapping[str, float]] = lambda _: {},
) -> Run:
    """The story from its start or from a checkpoint in ``folder``."""
    run = make_run(recipe) if run is None else run
    engine = NativeEngine(run.inputs.policy, renderer_of(run.inputs.policy), "v")
    engine.mask = getattr(run.inputs, "mask", None)
    stories: dict[str, Any] = {"ppo": ppo, "a2c": a2c, "trpo": trpo, "nlpo": nlpo}
    story = stories[recipe.kind]
    with quiet_journal(folder, recipe.checkpoint_every) as journal:
        run.result = story(recipe, run.inputs, engine, score or Favourite(), journal, evaluate)
    run.rows = read_metrics(folder / "metrics.jsonl")
    return run


run_ppo = run_story


def same_weights(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def reads_alone(model: PreTrainedModel) -> PreTrainedModel:
    """The model with an attention that cannot be asked within portions."""
    model.set_attn_implementation("eager")
    return model


def own_tokens(rows: Sequence[Row]) -> int:
    """Tokens of rows that are read alone, each different one once."""
    return sum(len(row) for row in dict.fromkeys(rows))


def rows_that_learn(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[list[Row]]:
    """The rows of every call of ``module.name(model, rows, …)`` that carries gradient."""
    calls: list[list[Row]] = []
    function = getattr(module, name)

    def watched(model: PreTrainedModel, rows: Sequence[Row], *rest: Any) -> Any:
        if torch.is_grad_enabled():
            calls.append(list(rows))
        return function(model, rows, *rest)

    monkeypatch.setattr(module, name, watched)
    return calls
