"""Critic-free stories on small problems, run from their start or from a checkpoint."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from preftune.algorithms.on_policy import OnPolicyResult
from preftune.monitoring import read_metrics
from preftune.pipeline.stages.on_policy import STORIES
from preftune.recipe import OnPolicy, Stage
from preftune.records import Axes, Completion, Prompt, StopReason
from preftune.rollouts import NativeEngine
from tests.algorithms.made import EOS, Favourite, Run, make_run
from tests.models.made import renderer_of
from tests.training.made import quiet_journal

ADAPTER: TypeAdapter[Any] = TypeAdapter(Stage)
Scores = Callable[[Sequence[Completion]], list[Axes | None]]


@dataclass
class Says:
    """A function of completions as a reward model's score."""

    scores: Scores
    origin: str = "model"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return self.scores(completions)


def recipe_of(kind: str, **settings: Any) -> OnPolicy:
    """A small recipe of this kind."""
    given: dict[str, Any] = {
        "kind": kind,
        "policy": "p",
        "reward_model": "r",
        "prompts": "x",
        "iterations": 3,
        "rollouts": 16,
        "sampling": {"max_new_tokens": 8, "temperature": 0.7},
        "optimizer": {"learning_rate": 1e-3},
    }
    return ADAPTER.validate_python(given | settings)


def run_story(
    folder: Path, recipe: OnPolicy, run: Run | None = None, score: Scores | None = None
) -> Run:
    """The recipe's story with everything that can be looked at afterwards."""
    run = make_run(recipe) if run is None else run
    engine = NativeEngine(run.inputs.policy, renderer_of(run.inputs.policy), "v")
    with quiet_journal(folder, recipe.checkpoint_every) as journal:
        result: OnPolicyResult = STORIES[recipe.kind](
            recipe, run.inputs, engine, Says(score or Favourite()), journal, lambda _: {}
        )
    run.result = result
    run.rows = read_metrics(folder / "metrics.jsonl")
    return run


def completions(lengths: Sequence[int], longest: int = 8) -> list[Completion]:
    """Made-up responses to one prompt, the ones of ``longest`` tokens cut off."""
    found = []
    for index, length in enumerate(lengths):
        cut = length >= longest
        ids = tuple(30 + index + place for place in range(length - (not cut)))
        reason = StopReason.LENGTH if cut else StopReason.EOS
        tokens = ids if cut else (*ids, EOS)
        found.append(Completion(Prompt("Where is my lamp?"), "", reason, "v", (20, 21), tokens))
    return found


def scored_as(values: Sequence[float]) -> Scores:
    """A score that gives these numbers."""
    return lambda given: [{"score": value} for value in values]
