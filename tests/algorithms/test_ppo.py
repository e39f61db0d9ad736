"""PPO: the first pass, what it raises, its two stops, the warm-up, the controllers, going on."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from preftune.algorithms.critic import credit, two_optimizers
from preftune.algorithms.on_policy import Turn, judge, sample, update
from preftune.algorithms.ppo import objective, pretraining_losses
from preftune.algorithms.reading import micro_batch
from preftune.artifacts import derive_seed
from preftune.maths.kl import k1, k2, k3
from preftune.maths.losses.ppo import policy_loss, value_loss
from preftune.models import Row, collate, response_logprobs, values
from preftune.records import Axes, Completion, RunFailed
from preftune.rollouts import NativeEngine
from preftune.training import Loss, Training, shuffled, weights_of
from tests.algorithms.made import (
    PAD,
    Favourite,
    Run,
    make_run,
    ppo_recipe,
    run_ppo,
    same_weights,
)
from tests.models.made import CPU, FAMILIES, make_rows, renderer_of

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
        guards={"action": "warn"},
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


def test_plain_ppo_is_what_it_was_before_it_could_do_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss as it stood when PPO had two terms, put in place: every weight, bit by bit."""
    recipe = ppo_recipe(critic_warmup=1, micro_batch_tokens=200)
    ours = run_ppo(tmp_path / "ours", recipe)

    def two_terms(recipe: Any, inputs: Any, rollout: Any, learns: bool, tokens: int, _: int) -> Any:
        def of(indices: list[int]) -> Loss:
            with torch.set_grad_enabled(learns):
                micro = micro_batch(inputs, rollout.scored, indices)
            policy = policy_loss(
                logprobs_BT=micro.now.logprobs_BT,
                old_logprobs_BT=micro.of(rollout.scored.logprobs_BT),
                advantages_BT=micro.of(rollout.advantages_BT),
                action_mask_BT=micro.mask_BT,
                cliprange=0.2,
                denominator=tokens,
            )
            critic = value_loss(
                values_BT=values(inputs.value, micro.batch),
                old_values_BT=micro.of(rollout.values_BT),
                returns_BT=micro.of(rollout.returns_BT),
                action_mask_BT=micro.mask_BT,
                cliprange_value=0.2,
                denominator=tokens,
            )
            return Loss(policy.loss + 0.1 * critic.loss, micro.sums(rollout.scored))

        return of

    monkeypatch.setattr("preftune.algorithms.ppo.objective", two_terms)
    theirs = run_ppo(tmp_path / "theirs", recipe)
    for network in ("policy", "value"):
        left, right = (weights_of(getattr(run.inputs, network)) for run in (ours, theirs))
        assert same_weights(left, right)


TEXTS = [Row((0,), row.response_ids) for row in make_rows(20, seed=7)]


def test_the_gradient_with_ptx_is_the_sum_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """grad = grad(PPO) + 27.8 grad(mean −log π of the step's text), however either is split."""

    def gradients(ptx: Any, size: int) -> dict[str, torch.Tensor]:
        recipe = ppo_recipe(ptx=ptx, micro_batch_tokens=size, epochs=1, minibatches=1)
        inputs = replace(make_run(recipe).inputs, pretraining=TEXTS)
        training = two_optimizers(recipe, inputs, partial(pretraining_losses, recipe, inputs))
        engine = NativeEngine(inputs.policy, renderer_of(inputs.policy), "v")
        scored = judge(recipe, inputs, sample(recipe, inputs, engine, 1), Favourite())
        credited = credit(recipe, inputs, scored, 0.05)
        found: dict[str, torch.Tensor] = {}

        def look(name: str) -> float:
            named = training.networks[name].named_parameters()
            found.update({f"{name}.{n}": p.grad.clone() for n, p in named if p.grad is not None})
            return 0.0

        training._clip = look  # type: ignore[method-assign]
        objective_of = partial(objective, recipe, inputs, credited, True)
        update(recipe, training, Turn(1, 0, 0.05), scored, objective_of)
        return found

    mix = {"data": "stage:x", "ratio": 2}
    plain, mixed, split = gradients(None, 8192), gradients(mix, 8192), gradients(mix, 64)
    policy = make_run(ppo_recipe()).inputs.policy
    recipe = ppo_recipe(ptx=mix, epochs=1, minibatches=1)
    # 16 responses, two texts each: 32 places of the shuffle, so all twenty and twelve again.
    orders = [shuffled(20, derive_seed(3, "ptx"), epoch) for epoch in (0, 1)]
    rows = [TEXTS[i] for i in (orders[0] + orders[1])[:32]]
    assert recipe.ptx is not None and recipe.ptx.coefficient == 27.8
    total, tokens = torch.zeros(()), 0
    for row in rows:
        total = total - response_logprobs(policy, collate([row], PAD, CPU), 1.0).sum()
        tokens += len(row.response_ids)
    (total / tokens).backward()
    for name, parameter in policy.named_parameters():
        expected = plain[f"policy.{name}"] + 27.8 * parameter.grad
        scale = float(expected.abs().max())
        assert torch.allclose(mixed[f"policy.{name}"], expected, atol=1e-4 * max(scale, 1)), name
        assert torch.allclose(split[f"policy.{name}"], expected, atol=1e-4 * max(scale, 1)), name
    for name, gradient in plain.items():
        if name.startswith("value."):
            assert torch.equal(mixed[name], gradient), "the text says nothing of values"


def test_text_that_is_mixed_in_is_not_forgotten(tmp_path: Path) -> None:
    losses = {}
    for name, coefficient in (("plain", 0.0), ("mixed", 1.0)):
        mix = {"data": "stage:x", "ratio": 1, "coefficient": coefficient}
        recipe = ppo_recipe(iterations=8, ptx=mix, optimizer={"learning_rate": 3e-3})
        run = make_run(recipe)
        run.inputs = replace(run.inputs, pretraining=TEXTS)
        rows = run_ppo(tmp_path / name, recipe, run).rows
        assert ("loss/ptx_avg" in rows[-1]) == (coefficient > 0)
        batch = collate(TEXTS, PAD, CPU)
        with torch.no_grad():
            logprobs = response_logprobs(run.inputs.policy, batch, 1.0)
        losses[name] = -float(logprobs[batch.action_mask_BT].mean())
    assert losses["mixed"] < losses["plain"] - 0.5


def test_the_saved_weights_are_the_moving_average(tmp_path: Path) -> None:
    """θ̄ ← .6 θ̄ + .4 θ from the start on, also when the run was stopped in between."""
    recipe = ppo_recipe(iterations=4, ema=0.6, checkpoint_every=2)
    run = make_run(recipe)
    run_ppo(tmp_path / "whole", recipe, run)
    raw = run_ppo(tmp_path / "raw", ppo_recipe(iterations=4))
    after = [*run.published[1:], weights_of(raw.inputs.policy)]
    for name, part in weights_of(run.inputs.policy).items():
        expected = run.published[0][name]
        for weights in after:
            expected = 0.6 * expected + 0.4 * weights[name]
        assert torch.allclose(part, expected, atol=1e-6), name
    calls = 0

    def breaking(completions: Sequence[Completion]) -> list[Axes | None]:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return Favourite()(completions)

    with pytest.raises(KeyboardInterrupt):
        run_ppo(tmp_path / "part", recipe, score=breaking)
    again = run_ppo(tmp_path / "part", recipe)
    assert same_weights(weights_of(again.inputs.policy), weights_of(run.inputs.policy))


def test_an_entropy_bonus_keeps_the_policy_spread(tmp_path: Path) -> None:
    ends = []
    for bonus in (0.0, 0.5):
        recipe = ppo_recipe(
            iterations=10, entropy_coef=bonus, optimizer={"learning_rate": 5e-3}, lam=1.0
        )
        ends.append(run_ppo(tmp_path / str(bonus), recipe).rows[-1]["policy/entropy_avg"])
    assert ends[1] > ends[0] + 0.1


def test_a_shared_value_starts_at_zero_and_learns_on_the_policy_s_body(tmp_path: Path) -> None:
    recipe = ppo_recipe(value="shared", iterations=3)
    run = make_run(recipe)
    value, policy = run.inputs.value, run.inputs.policy
    body = getattr(value, value.base_model_prefix)
    assert body is getattr(policy, policy.base_model_prefix)
    with torch.no_grad():
        assert (values(value, collate(TEXTS[:3], PAD, CPU)) == 0).all()
    run_ppo(tmp_path, recipe, run)
    assert value.score.weight.abs().max() > 0
    batch = collate(TEXTS[:3], PAD, CPU)
    values(value, batch).sum().backward()
    assert all(p.grad is not None for p in body.parameters())
    for parameter in policy.parameters():
        parameter.grad = None
    values(value, batch, body_learns=False).sum().backward()
    assert all(p.grad is None for p in body.parameters())


@pytest.mark.parametrize("estimator", [k1, k2, k3])
def test_the_reward_pays_by_the_named_estimator(estimator: Any) -> None:
    recipe = ppo_recipe(kl_estimator=estimator.__name__)
    inputs = make_run(recipe).inputs
    engine = NativeEngine(inputs.policy, renderer_of(inputs.policy), "v")
    scored = judge(recipe, inputs, sample(recipe, inputs, engine, 1), Favourite())
    scored = replace(scored, reference_logprobs_BT=scored.reference_logprobs_BT * 1.1)
    paid = credit(recipe, inputs, scored, 0.5).rewards_BT.sum() - scored.scores_B.sum()
    price = estimator(
        logprobs_BT=scored.logprobs_BT, reference_logprobs_BT=scored.reference_logprobs_BT
    )
    assert paid.item() == pytest.approx(-0.5 * float(price[scored.action_mask_BT].sum()), rel=1e-4)


def test_advantages_may_stay_as_they_are() -> None:
    recipe = ppo_recipe(whiten_advantages=False)
    inputs = make_run(recipe).inputs
    engine = NativeEngine(inputs.policy, renderer_of(inputs.policy), "v")
    scored = judge(recipe, inputs, sample(recipe, inputs, engine, 1), Favourite())
    credited = credit(recipe, inputs, scored, 0.05)
    mask = scored.action_mask_BT
    plain = (credited.returns_BT - credited.values_BT)[mask]
    assert torch.allclose(credited.advantages_BT[mask], plain, atol=1e-6)
