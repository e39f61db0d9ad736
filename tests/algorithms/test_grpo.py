"""GRPO: whose spread divides, and the KL in the loss by the named estimator."""

from functools import partial
from pathlib import Path

import pytest
import torch

from preftune.algorithms.groups import clipped_objective, compared, token_surrogate
from preftune.algorithms.grpo import scaled
from preftune.algorithms.on_policy import judge
from tests.algorithms.made import make_run
from tests.algorithms.made_critic_free import completions, recipe_of, run_story, scored_as

REWARDS = torch.tensor([[1.0, 3.0], [2.0, 6.0]])


@pytest.mark.parametrize(
    ("scale", "advantages"),
    [
        ("group", [-(0.5**0.5), 0.5**0.5] * 2),  # ±1 over √2, ±2 over √8
        ("group_population", [-1, 1, -1, 1]),  # ±1 over 1, ±2 over 2
        ("batch", [x / 2.5**0.5 for x in (-1, 1, -2, 2)]),  # mean square (1 + 1 + 4 + 4)/4
    ],
)
def test_whose_spread(scale: str, advantages: list[float]) -> None:
    recipe = recipe_of("grpo", scale=scale, samples=2)
    assert scaled(recipe, REWARDS).flatten().tolist() == pytest.approx(advantages, abs=2e-4)


@pytest.mark.parametrize(("estimator", "value"), [("k2", 0.5), ("k3", 1.0)])
def test_the_kl_is_in_the_loss_by_its_estimator(estimator: str, value: float) -> None:
    """Equal scores leave the KL alone: β times the mean over responses of its token means."""
    recipe = recipe_of("grpo", rollouts=4, kl_estimator=estimator, missing_eos={"kind": "keep"})
    run = make_run(recipe)
    with torch.no_grad():
        run.inputs.policy.model.norm.weight.mul_(1.2)
    scored = judge(recipe, run.inputs, completions([3, 2, 8, 1]), scored_as([1.0] * 4))
    rollout = compared(scored, scored.scores_B, scaled(recipe, scored.scores_B.view(1, 4)), 4)
    tokens = int(scored.action_mask_BT.sum())
    step = clipped_objective(recipe, run.inputs, rollout, token_surrogate(recipe), 0.25, tokens, 4)(
        [0, 1, 2, 3]
    )
    difference = scored.logprobs_BT - scored.reference_logprobs_BT
    table = 0.5 * difference.square() if estimator == "k2" else (-difference).exp() - 1 + difference
    means = (table * scored.action_mask_BT).sum(-1) / scored.action_mask_BT.sum(-1)
    assert means.min() > 1e-4
    assert float(step.total.detach()) == pytest.approx(0.25 * float(means.mean()), abs=1e-5)
    assert float(step.sums["kl"]) == pytest.approx(
        float((table * scored.action_mask_BT).sum()), abs=1e-4
    )


def test_the_reward_is_the_score(tmp_path: Path) -> None:
    for row in run_story(tmp_path, recipe_of("grpo", kl={"coefficient": 0.5})).rows:
        assert row["objective/non_score_reward"] == 0
        assert row["objective/kl_coef"] == 0.5
        assert row["kl"] >= 0


def test_a_large_price_holds_the_policy(tmp_path: Path) -> None:
    ends = []
    for coefficient in (0.0, 20.0):
        recipe = recipe_of(
            "grpo",
            iterations=8,
            rollouts=32,
            kl={"coefficient": coefficient},
            optimizer={"learning_rate": 3e-3},
        )
        run = partial(run_story, tmp_path / str(coefficient), recipe)()
        ends.append(sum(row["objective/kl"] for row in run.rows[-3:]))
    assert ends[1] < 0.75 * ends[0]
