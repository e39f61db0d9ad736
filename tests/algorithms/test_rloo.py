"""RLOO: KL in the reward, leave-one-out within a prompt, one gradient by hand."""

from pathlib import Path

import pytest
import torch

from preftune.algorithms.groups import compared, grouped, penalised_rewards
from preftune.algorithms.on_policy import judge
from preftune.algorithms.rloo import objective
from preftune.maths.baselines import above_the_others
from preftune.models import collate, response_logprobs
from tests.algorithms.made import PAD, make_run
from tests.algorithms.made_critic_free import completions, recipe_of, run_story, scored_as
from tests.models.made import CPU


def test_the_gradient_is_that_of_the_advantages_times_log_probabilities() -> None:
    """Scores 1, 0, 0, 0 give advantages 1, −1/3, −1/3, −1/3, and β is 0."""
    recipe = recipe_of("rloo", rollouts=4, missing_eos={"kind": "keep"})
    run = make_run(recipe)
    scored = judge(recipe, run.inputs, completions([3, 2, 8, 1]), scored_as([1.0, 0, 0, 0]))
    rewards_B = penalised_rewards(scored, 0.0)
    rollout = compared(
        scored, rewards_B, above_the_others(rewards_NG=grouped(rewards_B, 4)), recipe.samples
    )
    assert rollout.advantages_B.tolist() == pytest.approx([1, -1 / 3, -1 / 3, -1 / 3])
    tokens = int(scored.action_mask_BT.sum())
    objective(recipe, run.inputs, rollout, tokens, 4)([0, 1, 2, 3]).total.backward()
    policy = run.inputs.policy
    ours = [p.grad.clone() for p in policy.parameters() if p.grad is not None]
    policy.zero_grad()
    for index, advantage in enumerate([1, -1 / 3, -1 / 3, -1 / 3]):
        batch = collate([scored.rows[index]], PAD, CPU)
        (-advantage * response_logprobs(policy, batch, 0.7).sum() / 4).backward()
    theirs = [p.grad for p in policy.parameters() if p.grad is not None]
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_the_reward_pays_for_the_kl(tmp_path: Path) -> None:
    """Per response: coefficient times the KL that is logged."""
    recipe = recipe_of("rloo", kl={"coefficient": 0.5}, optimizer={"learning_rate": 1e-2})
    run = run_story(tmp_path, recipe)
    for row in run.rows:
        assert row["objective/non_score_reward"] == pytest.approx(
            -0.5 * row["objective/kl"], abs=1e-5
        )
    assert abs(run.rows[-1]["objective/kl"]) > 1e-3
