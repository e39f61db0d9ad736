"""REINFORCE++: where the KL is, what is normalised over what."""

import numpy as np
import pytest
import torch

from preftune.algorithms.on_policy import judge
from preftune.algorithms.reinforce_plus_plus import above_the_group, normalised
from preftune.algorithms.scoring import ScoredRollout
from tests.algorithms.made import make_run
from tests.algorithms.made_critic_free import completions, recipe_of, scored_as


def rolled(**settings: object) -> tuple[object, ScoredRollout]:
    """Four responses of a policy that has left its reference; scores 1, 5, 2, 2."""
    recipe = recipe_of("reinforce_plus_plus", rollouts=4, missing_eos={"kind": "keep"}, **settings)
    run = make_run(recipe)
    with torch.no_grad():
        run.inputs.policy.model.norm.weight.mul_(1.2)
    given = completions([3, 2, 8, 1])
    return recipe, judge(recipe, run.inputs, given, scored_as([1.0, 5.0, 2.0, 2.0]))


def test_returns_are_normalised_over_all_tokens() -> None:
    recipe, scored = rolled()
    rollout = normalised(recipe, scored, 0.3)
    mask, kl = scored.action_mask_BT.numpy(), scored.kl_BT.numpy()
    returns = np.zeros(mask.shape)
    for row, score in enumerate([1.0, 5.0, 2.0, 2.0]):
        for t in range(mask[row].sum()):
            returns[row, t] = score - 0.3 * kl[row, t : mask[row].sum()].sum()
    expected = (returns[mask] - returns[mask].mean()) / returns[mask].std()
    assert np.abs(kl[mask]).max() > 0.01
    assert np.allclose(rollout.advantages_BT.numpy()[mask], expected, atol=1e-4)
    assert (rollout.advantages_BT.numpy()[~mask] == 0).all()
    assert rollout.rewards_B.tolist() == pytest.approx(returns[:, 0], abs=1e-4)


def test_with_the_group_s_mean_the_reward_pays_no_kl() -> None:
    """Differences −2, 2, 0, 0 over their std √2."""
    recipe, scored = rolled(baseline="group_mean", samples=2)
    rollout = above_the_group(recipe, scored)
    assert rollout.rewards_B.tolist() == [1, 5, 2, 2]
    assert rollout.advantages_B.tolist() == pytest.approx([-(2**0.5), 2**0.5, 0, 0], abs=1e-3)
