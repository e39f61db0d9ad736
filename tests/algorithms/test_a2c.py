"""A2C: one step an iteration, the policy gradient, the reward rises, going on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from preftune.algorithms.a2c import objective
from preftune.algorithms.critic import credit
from preftune.algorithms.on_policy import judge, sample
from preftune.models import collate, response_logprobs, values
from preftune.records import Axes, Completion
from preftune.rollouts import NativeEngine
from preftune.training import weights_of
from tests.algorithms.made import (
    PAD,
    Favourite,
    critic_recipe,
    make_run,
    run_story,
    same_weights,
)
from tests.models.made import CPU, renderer_of


def test_the_gradient_is_that_of_the_formula_written_out() -> None:
    """−Σ A log π / tokens + ½ Σ (V − G)² / tokens, with plain loops over responses."""
    recipe = critic_recipe("a2c", micro_batch_tokens=100)
    inputs = make_run(recipe).inputs
    engine = NativeEngine(inputs.policy, renderer_of(inputs.policy), "v")
    scored = judge(recipe, inputs, sample(recipe, inputs, engine, 1), Favourite())
    rollout = credit(recipe, inputs, scored, 0.05)
    tokens = int(scored.action_mask_BT.sum())
    of = objective(recipe, inputs, rollout, True, tokens, 16)
    parts = [*range(5)], [*range(5, 16)]
    for part in parts:
        of(list(part)).total.backward()
    expected = torch.zeros(())
    ours = [p.grad.clone() for net in (inputs.policy, inputs.value) for p in net.parameters()]
    inputs.policy.zero_grad()
    inputs.value.zero_grad()
    for index, row in enumerate(scored.rows):
        batch, length = collate([row], PAD, CPU), len(row.response_ids)
        logprobs = response_logprobs(inputs.policy, batch, 0.7)[0]
        errors = values(inputs.value, batch)[0] - rollout.returns_BT[index, :length]
        gain = (rollout.advantages_BT[index, :length] * logprobs).sum()
        expected = expected + (0.5 * errors.square().sum() - gain) / tokens
    expected.backward()
    theirs = [p.grad for net in (inputs.policy, inputs.value) for p in net.parameters()]
    assert max(float(grad.abs().max()) for grad in ours) > 1e-3
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_an_iteration_is_one_step_on_the_policy_s_own_responses(tmp_path: Path) -> None:
    run = run_story(tmp_path, critic_recipe("a2c"))
    assert len(run.rows) == 3 and run.result is not None and run.result.iterations == 3
    for row in run.rows:
        assert row["first_pass/ratio_max_error"] < 1e-4
        assert row["policy/approxkl_avg"] < 1e-7, "no second pass has seen a moved policy"
    assert not same_weights(run.published[0], run.published[1])


def test_a_planted_reward_rises(tmp_path: Path) -> None:
    recipe = critic_recipe(
        "a2c",
        iterations=24,
        rollouts=48,
        missing_eos={"kind": "keep"},
        sampling={"max_new_tokens": 6, "temperature": 1.0},
        optimizer={"learning_rate": 1e-2},
        value_optimizer={"learning_rate": 1e-2},
        kl={"kind": "fixed", "coefficient": 0.01},
    )
    scores = [row["objective/scores"] for row in run_story(tmp_path, recipe).rows]
    assert np.mean(scores[:2]) < 0.6 and np.mean(scores[-3:]) > 0.7


@pytest.mark.parametrize("kind", ["a2c", "trpo", "nlpo"])
def test_a_stopped_run_ends_with_the_same_weights(kind: str, tmp_path: Path) -> None:
    """RMSprop's state, the weights TRPO moves by itself, NLPO's mask: all are in checkpoints."""
    recipe = critic_recipe(kind, iterations=5, checkpoint_every=2, critic_warmup=1)
    whole = run_story(tmp_path / "whole", recipe)
    calls = 0

    def breaking(completions: Sequence[Completion]) -> list[Axes | None]:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return Favourite()(completions)

    with pytest.raises(KeyboardInterrupt):
        run_story(tmp_path / "part", recipe, score=breaking)
    again = run_story(tmp_path / "part", recipe)
    assert again.versions == ["iteration-2", "iteration-3", "iteration-4"]
    assert again.rows == whole.rows
    for network in ("policy", "value"):
        ours = weights_of(getattr(again.inputs, network))
        assert same_weights(ours, weights_of(getattr(whole.inputs, network)))


@pytest.mark.parametrize("kind", ["a2c", "trpo", "nlpo"])
@pytest.mark.parametrize("value", ["separate", "shared"])
def test_while_the_critic_warms_up_the_policy_does_not_move(
    kind: str, value: str, tmp_path: Path
) -> None:
    recipe = critic_recipe(kind, iterations=4, critic_warmup=2, value=value)
    run = make_run(recipe)
    head = run.inputs.value.score.weight.detach().clone()
    run_story(tmp_path, recipe, run)
    start, second, third, fourth = run.published
    assert same_weights(start, second) and same_weights(start, third)
    assert not same_weights(start, fourth)
    assert not torch.equal(head, run.inputs.value.score.weight)
