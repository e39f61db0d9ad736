"""NLPO: with everything allowed it is PPO; sampler and loss see one mask; the mask is renewed."""

from pathlib import Path

import pytest
import torch

from preftune.algorithms.critic import credit
from preftune.algorithms.nlpo import read, under_mask
from preftune.algorithms.on_policy import judge, sample
from preftune.models import collate, response_logits
from preftune.rollouts import NativeEngine
from preftune.training import weights_of
from tests.algorithms.made import (
    EOS,
    PAD,
    Favourite,
    critic_recipe,
    make_run,
    run_story,
    same_weights,
)
from tests.models.made import CPU, FAMILIES, renderer_of


def test_with_p_one_it_is_ppo(tmp_path: Path) -> None:
    ours = run_story(tmp_path / "nlpo", critic_recipe("nlpo", top_p=1.0, critic_warmup=1))
    theirs = run_story(tmp_path / "ppo", critic_recipe("ppo", critic_warmup=1))
    for one, other in zip(ours.rows, theirs.rows, strict=True):
        for name in [name for name in other if name.startswith(("sampling/", "guards/mismatch"))]:
            assert other.pop(name) == pytest.approx(0, abs=1e-4)
            one.pop(name, None)
        assert one == pytest.approx(other, abs=1e-7)
    for network in ("policy", "value"):
        left, right = (weights_of(getattr(run.inputs, network)) for run in (ours, theirs))
        for name in left:
            assert torch.allclose(left[name], right[name], atol=1e-7, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_sampler_and_the_loss_see_the_same_mask(family: str, tmp_path: Path) -> None:
    """What the engine says of its tokens is what the masked policy says, and all are allowed."""
    recipe = critic_recipe("nlpo", top_p=0.6)
    inputs = make_run(recipe, family).inputs
    engine = NativeEngine(inputs.policy, renderer_of(inputs.policy), "v", mask=inputs.mask)
    completions = sample(recipe, inputs, engine, 1)
    scored = judge(recipe, inputs, completions, Favourite())
    credited = credit(recipe, inputs, scored, 0.05)
    restricted = under_mask(recipe, inputs, credited)
    for index, written in enumerate(completions):
        length = len(written.token_ids)
        masked = restricted.scored.logprobs_BT[index, :length]
        assert masked.tolist() == pytest.approx(written.logprobs, abs=1e-4)
        assert (masked >= scored.logprobs_BT[index, :length] - 1e-5).all(), "renormalised upwards"
        batch = collate([scored.rows[index]], PAD, CPU)
        with torch.no_grad():
            logits = response_logits(inputs.mask.network, batch)
        allowed = inputs.mask.allowed(logits, 0.7)[0]
        assert allowed[range(length), list(written.token_ids)].all()
        assert allowed[:, [EOS, PAD]].all(), "special tokens always are"
        assert int(allowed.sum(-1).float().mean()) < 250, "of 300"
    assert torch.equal(restricted.rewards_BT, credited.rewards_BT), "the KL is that of raw ones"


def test_before_the_first_step_the_ratio_is_one(tmp_path: Path) -> None:
    for row in run_story(tmp_path, critic_recipe("nlpo", top_p=0.6)).rows:
        assert row["first_pass/ratio_max_error"] < 1e-4
        assert row["first_pass/approxkl"] < 1e-7
        assert row["policy/approxkl_avg"] > 0


def test_the_mask_is_copied_every_few_iterations(tmp_path: Path) -> None:
    recipe = critic_recipe("nlpo", iterations=4, mask_every=2)
    run = make_run(recipe)
    seen: list[dict[str, torch.Tensor]] = []

    def watching(completions):  # type: ignore[no-untyped-def]
        seen.append(weights_of(run.inputs.mask.network))
        return Favourite()(completions)

    run_story(tmp_path, recipe, run, score=watching)
    assert same_weights(seen[0], seen[1]) and same_weights(seen[2], seen[3])
    assert same_weights(seen[0], run.published[0]) and same_weights(seen[2], run.published[2])
    assert not same_weights(seen[1], seen[2])


def test_no_gradient_reaches_the_mask_s_network() -> None:
    recipe = critic_recipe("nlpo", top_p=0.6)
    inputs = make_run(recipe).inputs
    engine = NativeEngine(inputs.policy, renderer_of(inputs.policy), "v", mask=inputs.mask)
    scored = judge(recipe, inputs, sample(recipe, inputs, engine, 1), Favourite())
    read(inputs, collate(list(scored.rows), PAD, CPU)).logprobs_BT.sum().backward()
    assert all(p.grad is None for p in inputs.mask.network.parameters())
    assert all(p.grad is not None for p in inputs.policy.parameters())
