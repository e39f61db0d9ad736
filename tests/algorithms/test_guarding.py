"""A halt inside the loop: which weights are left, after how many iterations, and after a stop."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from preftune.algorithms.guarding import sampler_gap
from preftune.records import Axes, Completion, Prompt, StopReason
from preftune.training import weights_of
from tests.algorithms.made import Favourite, make_run, ppo_recipe, run_story, same_weights

DRIFT: dict[str, Any] = {
    "start": 1,
    "window": 1,
    "kl": {"warn": 1e-7, "halt": 1e-7},
}
"""Any KL at all halts; the first iteration has none, the second has."""


def test_a_halt_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    run = run_story(tmp_path, ppo_recipe(iterations=5, checkpoint_every=1, guards=DRIFT))
    assert run.result is not None and run.result.halt is not None
    assert (run.result.iterations, run.result.ended_by) == (1, "guard")
    assert (run.result.halt.step, run.result.halt.kept) == (2, 1)
    assert run.result.halt.verdict.guard == "kl"
    assert [row["guards/kl"] for row in run.rows] == [0.0, 2.0]
    assert same_weights(weights_of(run.inputs.policy), run.published[1])
    assert not same_weights(weights_of(run.inputs.policy), run.published[0])


def test_a_halt_before_any_checkpoint_leaves_the_beginning(tmp_path: Path) -> None:
    run = run_story(tmp_path, ppo_recipe(iterations=5, checkpoint_every=4, guards=DRIFT))
    assert run.result is not None and run.result.halt is not None
    assert (run.result.iterations, run.result.halt.kept) == (0, 0)
    assert same_weights(weights_of(run.inputs.policy), run.published[0])


def test_a_good_checkpoint_outlives_the_bad_ones(tmp_path: Path) -> None:
    """Warned from the second iteration on: the first stays beside the last two."""
    limits = DRIFT | {"kl": {"warn": 1e-7, "halt": 1e9}}
    recipe = ppo_recipe(iterations=6, checkpoint_every=1, guards=limits)
    kept = run_story(tmp_path / "warned", recipe)
    assert [row["guards/kl"] for row in kept.rows] == [0.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    names = sorted(path.name for path in (tmp_path / "warned" / "checkpoints").iterdir())
    assert names == ["step-00000001", "step-00000005", "step-00000006"]


def test_a_stopped_run_halts_at_the_same_place(tmp_path: Path) -> None:
    """A run stopped after one iteration and continued is the run that was not stopped."""
    recipe = ppo_recipe(iterations=5, checkpoint_every=1, guards=DRIFT)
    whole = run_story(tmp_path / "whole", recipe)
    short = recipe.model_copy(update={"iterations": 1})
    first = run_story(tmp_path / "parts", short)
    assert first.result is not None and first.result.iterations == 1
    second = run_story(tmp_path / "parts", recipe, make_run(recipe))
    assert second.result is not None and whole.result is not None
    assert second.result.halt is not None and whole.result.halt is not None
    assert second.result.halt.step == whole.result.halt.step


def test_guards_that_are_off_change_nothing(tmp_path: Path) -> None:
    off = {"kl": {"action": "off", "warn": 1e-7, "halt": 1e-7}, "start": 1, "window": 1}
    run = run_story(tmp_path, ppo_recipe(iterations=2, guards=off))
    assert run.result is not None and run.result.ended_by == "iterations"
    assert "guards/kl" not in run.rows[-1] and run.rows[-1]["guards/entropy"] == 0.0


def written(*logprobs: float) -> Completion:
    ids = tuple(range(5, 5 + len(logprobs)))
    return Completion(Prompt("?"), "", StopReason.EOS, "v", (1,), ids, logprobs)


def test_the_gap_between_sampler_and_trainer() -> None:
    table = torch.tensor([[-1.0, -2.0, 0.0], [-0.5, -0.25, -3.0]])
    gap = sampler_gap([written(-1.0, -2.5), written(-0.5, -0.25, -2.0)], table)
    name = "sampling/sampling_logp_difference"
    assert gap == pytest.approx({f"{name}/mean": 1.5 / 5, f"{name}/max": 1.0})
    silent = Completion(Prompt("?"), "", StopReason.EOS, "v", (1,), (5, 6), ())
    assert sampler_gap([silent], table) == {}


class Unsure(Favourite):
    """An ensemble that disagrees more each time it is asked: .1, .2, .3 …"""

    asked = 0

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        self.asked += 1
        scored = super().__call__(completions)
        return [{**axes, "disagreement": 0.1 * self.asked} for axes in scored if axes is not None]


def test_an_ensemble_that_stops_agreeing_is_halted(tmp_path: Path) -> None:
    """Twice the first is allowed, three times warns, five times is past four and halts."""
    guards = {"start": 1, "window": 1, "kl": {"action": "off"}}
    recipe = ppo_recipe(iterations=8, checkpoint_every=1, guards=guards)
    run = run_story(tmp_path, recipe, score=Unsure())
    assert [row["guards/uncertainty"] for row in run.rows] == [0.0, 0.0, 1.0, 1.0, 2.0]
    assert run.result is not None and run.result.halt is not None
    assert (run.result.halt.verdict.guard, run.result.halt.kept) == ("uncertainty", 2)
    assert same_weights(weights_of(run.inputs.policy), run.published[2])
