"""TRPO: the step stays in its region, improves, or leaves every weight as it was."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from preftune.algorithms.critic import credit
from preftune.algorithms.on_policy import judge, sample
from preftune.algorithms.trpo import limit
from preftune.algorithms.trust_region import Region
from preftune.models import collate, response_logits
from preftune.rollouts import NativeEngine
from preftune.training import load_weights, weights_of
from tests.algorithms.made import (
    PAD,
    Favourite,
    critic_recipe,
    make_run,
    run_story,
    same_weights,
)
from tests.models.made import CPU, FAMILIES, renderer_of


def region(family: str = "llama", **settings: Any) -> Region:
    recipe = critic_recipe("trpo", **settings)
    inputs = make_run(recipe, family).inputs
    engine = NativeEngine(inputs.policy, renderer_of(inputs.policy), "v")
    scored = judge(recipe, inputs, sample(recipe, inputs, engine, 1), Favourite())
    rollout = credit(recipe, inputs, scored, 0.05)
    return Region(recipe, inputs, rollout, copy.deepcopy(inputs.policy), recipe.kl_limit)


def mean_kl_by_hand(region: Region) -> float:
    """KL(old ‖ new) of every response token's distribution, response by response."""
    total, tokens = 0.0, 0
    for row in region.rollout.scored.rows:
        batch = collate([row], PAD, CPU)
        with torch.no_grad():
            old, new = (
                (response_logits(net, batch)[0].double() / 0.7).log_softmax(-1)
                for net in (region.old, region.inputs.policy)
            )
        total += float((old.exp() * (old - new)).sum())
        tokens += len(row.response_ids)
    return total / tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_an_accepted_step_is_inside_and_better(family: str) -> None:
    here = region(family)
    found = here.step()
    assert found["trust_region/accepted"] == 1 and found["trust_region/gain"] > 0
    assert 0.001 < found["trust_region/kl"] <= 0.01
    assert found["trust_region/kl"] == pytest.approx(mean_kl_by_hand(here), abs=1e-5)
    assert found["first_pass/ratio_max_error"] < 1e-4
    assert not same_weights(weights_of(here.old), weights_of(here.inputs.policy))


def test_a_step_that_cannot_be_taken_leaves_every_bit() -> None:
    here = region(line_search_steps=1)
    here.limit = 0.01
    reached = here.reached
    here.reached = lambda: (reached()[0], 1.0)  # type: ignore[method-assign]
    found = here.step()
    assert found["trust_region/accepted"] == 0 and found["trust_region/backtracks"] == 1
    assert same_weights(weights_of(here.old), weights_of(here.inputs.policy))


def test_a_surrogate_that_does_not_improve_is_not_accepted() -> None:
    here = region()
    curved = here.gradient
    here.gradient = lambda: (-curved()[0], {})  # type: ignore[method-assign]
    assert here.step()["trust_region/accepted"] == 0
    assert same_weights(weights_of(here.old), weights_of(here.inputs.policy))


def test_the_fisher_product_is_the_mean_of_squared_scores() -> None:
    """vᵀFv = mean over tokens of Σ_y π(y) (d log π(y) along v)², by finite differences."""
    here = region(fisher_responses=5, micro_batch_tokens=64)
    policy = here.inputs.policy
    generator = torch.Generator().manual_seed(0)
    sizes = sum(p.numel() for p in here.parameters)
    vector = torch.randn(sizes, generator=generator)
    vector = vector / vector.norm()
    form = float(vector.dot(here.curved(vector)))
    before, total, tokens = [p.detach().clone() for p in here.parameters], 0.0, 0
    for row in here.rollout.scored.rows[:5]:
        batch, sides = collate([row], PAD, CPU), []
        for shift in (0.01, -0.01):
            here.put(before, shift * vector)
            with torch.no_grad():
                sides.append((response_logits(policy, batch)[0].double() / 0.7).log_softmax(-1))
        here.put(before, None)
        with torch.no_grad():
            now = (response_logits(policy, batch)[0].double() / 0.7).softmax(-1)
        total += float((now * ((sides[0] - sides[1]) / 0.02).square()).sum())
        tokens += len(row.response_ids)
    assert form == pytest.approx(total / tokens, rel=0.01)


def test_micro_batches_change_nothing() -> None:
    one, other = region(), region(micro_batch_tokens=64)
    (whole, _), (split, _) = one.gradient(), other.gradient()
    assert torch.allclose(whole, split, atol=1e-5)
    assert torch.allclose(one.curved(whole), other.curved(whole), atol=1e-4)


def test_the_planted_reward_rises_and_kl_stays_in_its_region(tmp_path: Path) -> None:
    recipe = critic_recipe(
        "trpo",
        iterations=20,
        rollouts=48,
        missing_eos={"kind": "keep"},
        sampling={"max_new_tokens": 6, "temperature": 1.0},
        value_optimizer={"learning_rate": 1e-2},
        kl={"kind": "fixed", "coefficient": 0.01},
        kl_limit=0.1,
    )
    rows = run_story(tmp_path, recipe).rows
    scores = [row["objective/scores"] for row in rows]
    assert np.mean(scores[:4]) < 0.55 and np.mean(scores[-4:]) > 0.68
    assert max(row["trust_region/kl"] for row in rows) <= 0.1
    assert all(row["value/grad_norm"] > 0 for row in rows)


def test_the_region_shrinks_to_its_last_size() -> None:
    recipe = critic_recipe("trpo", iterations=5, kl_limit=0.01, kl_limit_final=0.002)
    assert [limit(recipe, n) for n in range(1, 6)] == pytest.approx(
        [0.01, 0.008, 0.006, 0.004, 0.002]
    )
    assert limit(critic_recipe("trpo"), 3) == 0.01


def test_putting_weights_back_is_exact() -> None:
    here = region()
    before = weights_of(here.inputs.policy)
    origin = [p.detach().clone() for p in here.parameters]
    here.put(origin, torch.ones(sum(p.numel() for p in here.parameters)))
    assert not same_weights(before, weights_of(here.inputs.policy))
    here.put(origin, None)
    assert same_weights(before, weights_of(here.inputs.policy))
    load_weights(here.inputs.policy, before)
