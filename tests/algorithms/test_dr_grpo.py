"""Dr. GRPO: neither the spread nor a response's length changes what a token counts for."""

import pytest
import torch

from preftune.algorithms.groups import clipped_objective, compared, grouped, token_surrogate
from preftune.algorithms.on_policy import judge
from preftune.maths.baselines import above_group_mean
from preftune.models import collate, response_logprobs
from tests.algorithms.made import PAD, make_run
from tests.algorithms.made_critic_free import completions, recipe_of, scored_as
from tests.models.made import CPU


def test_the_gradient_by_hand() -> None:
    """Scores 1, 0, 0, 0: advantages .75, −.25 …; every token's log-probability over 4 · 8."""
    recipe = recipe_of("dr_grpo", rollouts=4, missing_eos={"kind": "keep"})
    run = make_run(recipe)
    scored = judge(recipe, run.inputs, completions([3, 2, 8, 1]), scored_as([1.0, 0, 0, 0]))
    advantages = above_group_mean(rewards_NG=grouped(scored.scores_B, 4))
    rollout = compared(scored, scored.scores_B, advantages, 4)
    assert rollout.advantages_B.tolist() == [0.75, -0.25, -0.25, -0.25]
    tokens = int(scored.action_mask_BT.sum())
    clipped_objective(recipe, run.inputs, rollout, token_surrogate(recipe), 0.0, tokens, 4)(
        [0, 1, 2, 3]
    ).total.backward()
    policy = run.inputs.policy
    ours = [p.grad.clone() for p in policy.parameters() if p.grad is not None]
    policy.zero_grad()
    for index, advantage in enumerate([0.75, -0.25, -0.25, -0.25]):
        batch = collate([scored.rows[index]], PAD, CPU)
        (-advantage * response_logprobs(policy, batch, 0.7).sum() / (4 * 8)).backward()
    theirs = [p.grad for p in policy.parameters() if p.grad is not None]
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("spread", [0.01, 100.0])
def test_advantages_keep_the_unit_of_the_score(spread: float) -> None:
    rewards = torch.tensor([[spread, -spread]])
    assert above_group_mean(rewards_NG=rewards)[0].tolist() == pytest.approx([spread, -spread])
