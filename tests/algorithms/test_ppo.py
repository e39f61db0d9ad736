"""PPO: the first pass, what it raises, its two stops, the warm-up, the controllers, going on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from preftune.algorithms.on_policy import sample
from preftune.records import Axes, Completion, RunFailed
from preftune.training import Training, weights_of
from tests.algorithms.made import (
    Favourite,
    Run,
    make_run,
    ppo_recipe,
    run_ppo,
    same_weights,
)
from tests.models.made import FAMILIES

SILENT = {"kind": "keep"}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("temperature", [0.7, 1.4])
def test_before_the_first_step_the_ratio_is_one(
    family: str, temperature: float, tmp_path: Path
) -> None:
    """Float32, a temperature that is not 1, dropout in the configuration: every iteration."""
    recipe = ppo_recipe(sampling={"max_new_tokens": 10, "temperature": temperature})
    run = run_ppo(tmp_path, recipe, make_run(recipe, family, dropout=0.1))
    assert len(run.rows) == 3
    for row in run.rows:
        assert row["first_pass/ratio_max_error"] < 1e-4
        assert row["first_pass/approxkl"] < 1e-7
        assert row["first_pass/clipfrac"] == 0
        assert row["policy/approxkl_avg"] > 0, "later passes have moved"
    assert abs(run.rows[0]["objective/kl"]) < 1e-4, "the policy starts as the reference"


@pytest.mark.parametrize("liked", [range(150, 300), range(0, 150)], ids=["high", "low"])
def test_a_planted_reward_rises(liked: range, tmp_path: Path) -> None:
    """Half of the tokens are liked; whichever half it is, most tokens come from it in the end."""
    recipe = ppo_recipe(
        iterations=16,
        rollouts=48,
        epochs=3,
        missing_eos=SILENT,
        sampling={"max_new_tokens": 6, "temperature": 1.0},
        optimizer={"learning_rate": 1e-2},
        value_optimizer={"learning_rate": 1e-2},
        kl={"kind": "fixed", "coefficient": 0.01},
    )
    run = run_ppo(tmp_path, recipe, score=Favourite(liked))
    scores = [row["objective/scores"] for row in run.rows]
    assert np.mean(scores[:2]) < 0.6 and np.mean(scores[-3:]) > 0.7
    assert run.rows[-1]["objective/kl"] > 1
    assert run.result is not None and run.result.ended_by == "iterations"
    assert run.rows[-1]["episode"] == 16 * 48


def test_a_large_kl_price_holds_the_policy(tmp_path: Path) -> None:
    kls = []
    for coefficient in (0.0, 5.0):
        recipe = ppo_recipe(
            iterations=8,
            rollouts=32,
            kl={"kind": "fixed", "coefficient": coefficient},
            optimizer={"learning_rate": 3e-3},
        )
        run = run_ppo(tmp_path / str(coefficient), recipe)
        kls.append(np.mean([row["objective/kl"] for row in run.rows[-3:]]))
    assert kls[1] < 0.75 * kls[0]


def count_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ``at`` of every optimizer step from now on."""
    seen: list[int] = []
    step = Training.step

    def counting(self: Training, *args: Any, at: int, **kwargs: Any) -> Any:
        seen.append(at)
        return step(self, *args, at=at, **kwargs)

    monkeypatch.setattr(Training, "step", counting)
    return seen


def test_kl_to_the_rollout_policy_ends_the_epochs_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count_steps(monkeypatch)
    recipe = ppo_recipe(
        epochs=4, epoch_kl_stop=1e-9, reference_kl_stop={"limit": 1e9, "action": "end"}
    )
    run = run_ppo(tmp_path, recipe)
    assert run.result is not None
    assert (run.result.iterations, run.result.ended_by) == (3, "iterations")
    assert [row["stop/epoch_kl"] for row in run.rows] == [1, 1, 1]
    assert [row["stop/reference_kl"] for row in run.rows] == [0, 0, 0]
    assert seen == [0, 1, 8, 9, 16, 17], "one epoch of two minibatches each"


def test_without_the_limit_all_epochs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = count_steps(monkeypatch)
    run = run_ppo(tmp_path, ppo_recipe(epochs=4, minibatches=4, epoch_kl_stop=1e9, iterations=2))
    assert seen == list(range(32))
    assert [row["stop/epoch_kl"] for row in run.rows] == [0, 0]


DRIFTING: dict[str, Any] = {
    "iterations": 8,
    "kl": {"kind": "fixed", "coefficient": 0.0},
    "optimizer": {"learning_rate": 1e-2},
}


def test_kl_to_the_reference_ends_the_run_not_the_epochs(tmp_path: Path) -> None:
    recipe = ppo_recipe(**DRIFTING, reference_kl_stop={"limit": 0.3, "action": "end"})
    run = run_ppo(tmp_path, recipe)
    assert run.result is not None and run.result.ended_by == "reference_kl"
    assert run.result.iterations == len(run.rows) < 8
    kls = [row["objective/kl"] for row in run.rows]
    assert kls[-1] > 0.3 >= max(kls[:-1])
    assert run.result.kl == pytest.approx(kls[-1])
    assert [row["stop/reference_kl"] for row in run.rows] == [0] * (len(kls) - 1) + [1]
    assert all(row["stop/epoch_kl"] == 0 for row in run.rows)


def test_or_it_only_warns(tmp_path: Path) -> None:
    recipe = ppo_recipe(**DRIFTING, reference_kl_stop={"limit": 0.3, "action": "warn"})
    run = run_ppo(tmp_path, recipe)
    assert run.result is not None
    assert (run.result.iterations, run.result.ended_by) == (8, "iterations")
    assert run.rows[-1]["stop/reference_kl"] == 1


def test_while_the_critic_warms_up_the_policy_does_not_move(tmp_path: Path) -> None:
    recipe = ppo_recipe(iterations=4, critic_warmup=2)
    run = make_run(recipe)
    value = weights_of(run.inputs.value)
    run_ppo(tmp_path, recipe, run)
    start, second, third, fourth = run.published
    assert same_weights(start, second) and same_weights(start, third)
    assert not same_weights(start, fourth)
    assert run.versions == [f"iteration-{n}" for n in range(4)]
    assert not same_weights(value, weights_of(run.inputs.value))
    assert [row["lr"] > 0 for row in run.rows] == [False, False, True, True]
    assert ["policy/grad_norm" in row for row in run.rows] == [False, False, True, True]


def test_the_critic_learns_what_is_to_come(tmp_path: Path) -> None:
    """A score that the prompt alone decides: its length."""

    def by_prompt(completions: Sequence[Completion]) -> list[Axes | None]:
        return [{"score": float(len(c.prompt_token_ids) > 6)} for c in completions]

    recipe = ppo_recipe(
        iterations=8,
        rollouts=32,
        critic_warmup=7,
        vf_coef=1.0,
        lam=1.0,
        cliprange_value=10.0,
        missing_eos=SILENT,
        value_optimizer={"learning_rate": 1e-2},
    )
    run = make_run(recipe)
    with torch.no_grad():
        run.inputs.value.score.weight.mul_(0.05)
    explained = [
        row["value/explained_variance"] for row in run_ppo(tmp_path, recipe, run, by_prompt).rows
    ]
    assert explained[0] < 0.2 and explained[-1] > 0.7


@pytest.mark.parametrize(
    "control",
    [
        {"kind": "adaptive_horizon", "coefficient": 0.2, "target": 0.5, "horizon": 160},
        {"kind": "adaptive_gain", "coefficient": 0.2, "target": 0.5, "gain": 0.1},
    ],
)
def test_the_coefficient_follows_the_kl_of_whole_responses(
    control: dict[str, Any], tmp_path: Path
) -> None:
    """16 responses of a horizon of 160 are a gain of .1, so both forms give one trajectory."""
    recipe = ppo_recipe(iterations=8, kl=control, optimizer={"learning_rate": 1e-2})
    rows = run_ppo(tmp_path, recipe).rows
    beta = 0.2
    for row in rows:
        assert row["objective/kl_coef"] == pytest.approx(beta)
        beta *= 1 + 0.1 * float(np.clip(row["objective/kl"] / 0.5 - 1, -0.2, 0.2))
    assert rows[1]["objective/kl_coef"] == pytest.approx(0.2 * 0.98), "no KL yet: 2 % down"
    assert rows[-1]["objective/kl_coef"] > min(row["objective/kl_coef"] for row in rows)


def test_a_fixed_coefficient_stays(tmp_path: Path) -> None:
    rows = run_ppo(tmp_path, ppo_recipe()).rows
    assert {row["objective/kl_coef"] for row in rows} == {0.05}


def test_prompts_come_in_shuffled_rounds() -> None:
    recipe = ppo_recipe(rollouts=16)
    run = make_run(recipe)
    asked: list[str] = []
    seeds: list[int] = []

    def generate(prompts: Sequence[Any], sampling: Any) -> list[Completion]:
        asked.extend(str(id(prompt)) for prompt in prompts)
        seeds.append(sampling.seed)
        return []

    for iteration in (1, 2, 3):
        sample(recipe, run.inputs, generate, iteration)
    assert len(set(asked[:24])) == len(set(asked[24:])) == 24, "all 24 prompts before any again"
    assert asked[:24] != asked[24:]
    assert len(set(seeds)) == 3


def test_evaluation_is_recorded_and_steers_nothing(tmp_path: Path) -> None:
    scheduled = {"judge": "gold:helpdesk", "prompts": "x", "against": "y", "every": 2}
    plain = run_ppo(tmp_path / "a", ppo_recipe(iterations=3))
    watched = run_ppo(
        tmp_path / "b",
        ppo_recipe(iterations=3, evaluation=scheduled),
        evaluate=lambda iteration: {"judge/win_rate": iteration / 10},
    )
    seen = {row["step"]: row.get("judge/win_rate") for row in watched.rows}
    assert seen == {0: 0.0, 1: None, 2: 0.2, 3: 0.3}
    assert same_weights(weights_of(plain.inputs.policy), weights_of(watched.inputs.policy))


def test_a_stopped_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    control = {"kind": "adaptive_gain", "coefficient": 0.2, "target": 0.5}
    recipe = ppo_recipe(iterations=5, checkpoint_every=2, critic_warmup=1, kl=control)
    whole = run_ppo(tmp_path / "whole", recipe)
    calls = 0

    def breaking(completions: Sequence[Completion]) -> list[Axes | None]:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return Favourite()(completions)

    with pytest.raises(KeyboardInterrupt):
        run_ppo(tmp_path / "part", recipe, score=breaking)
    again: Run = run_ppo(tmp_path / "part", recipe)
    assert again.versions == ["iteration-2", "iteration-3", "iteration-4"]
    assert again.rows == whole.rows
    assert again.result == whole.result
    for network in ("policy", "value"):
        ours = weights_of(getattr(again.inputs, network))
        assert same_weights(ours, weights_of(getattr(whole.inputs, network)))


def test_the_reference_never_moves(tmp_path: Path) -> None:
    recipe = ppo_recipe()
    run = make_run(recipe)
    before = weights_of(run.inputs.reference)
    run_ppo(tmp_path, recipe, run)
    assert same_weights(before, weights_of(run.inputs.reference))
    assert all(p.grad is None for p in run.inputs.reference.parameters())


def test_a_score_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    recipe = ppo_recipe(missing_eos=SILENT)
    run = make_run(recipe)
    before = weights_of(run.inputs.policy)

    def broken(completions: Sequence[Completion]) -> list[Axes | None]:
        return [{"score": float("nan")} for _ in completions]

    with pytest.raises(RunFailed, match="not a finite number"):
        run_ppo(tmp_path, recipe, run, score=broken)
    assert same_weights(before, weights_of(run.inputs.policy))
    assert all(torch.isfinite(p).all() for p in run.inputs.value.parameters())
