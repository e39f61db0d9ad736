"""REINFORCE: its three baselines, one fresh step an iteration, what the average remembers."""

from pathlib import Path

import pytest
import torch

from preftune.algorithms.reinforce import above_baseline
from tests.algorithms.made_critic_free import recipe_of, run_story, scored_as

REWARDS = torch.tensor([1.0, 2.0, 6.0])


@pytest.mark.parametrize(
    ("baseline", "advantages"),
    [("none", [1, 2, 6]), ("batch_mean", [-2, -1, 3]), ("moving_average", [0.5, 1.5, 5.5])],
)
def test_baselines(baseline: str, advantages: list[float]) -> None:
    """The batch's mean is 3, earlier ones averaged .5."""
    recipe = recipe_of("reinforce", baseline=baseline)
    assert above_baseline(recipe, REWARDS, 0.5).tolist() == advantages


def test_the_average_is_of_earlier_iterations(tmp_path: Path) -> None:
    """Every response scores 5 and costs no KL: all advantages are 0, and no weight moves."""
    recipe = recipe_of(
        "reinforce",
        baseline="moving_average",
        missing_eos={"kind": "keep"},
        kl={"coefficient": 0.0},
    )
    run = run_story(tmp_path, recipe, score=scored_as([5.0] * 16))
    assert [row["policy/grad_norm"] for row in run.rows] == pytest.approx([0, 0, 0], abs=1e-6)


def test_without_a_baseline_the_same_score_moves_the_policy(tmp_path: Path) -> None:
    recipe = recipe_of(
        "reinforce", baseline="none", missing_eos={"kind": "keep"}, kl={"coefficient": 0.0}
    )
    run = run_story(tmp_path, recipe, score=scored_as([5.0] * 16))
    assert all(row["policy/grad_norm"] > 0.1 for row in run.rows)


def test_one_step_an_iteration(tmp_path: Path) -> None:
    """The only pass is the first, so the policy is the one that sampled."""
    run = run_story(tmp_path, recipe_of("reinforce"))
    for row in run.rows:
        assert row["policy/approxkl_avg"] == row["first_pass/approxkl"] < 1e-7
        assert row["val/ratio"] == pytest.approx(1, abs=1e-4)
