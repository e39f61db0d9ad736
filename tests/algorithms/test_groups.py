"""What every critic-free story keeps: the first pass, a planted reward, splits, going on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from preftune.algorithms import reading
from preftune.algorithms.groups import aggregated, compared, grouped, reward_metrics
from preftune.algorithms.on_policy import judge
from preftune.models import tokens_read
from preftune.records import Axes, Completion
from preftune.training import weights_of
from tests.algorithms.made import (
    Favourite,
    make_run,
    own_tokens,
    reads_alone,
    rows_that_learn,
    same_weights,
)
from tests.algorithms.made_critic_free import (
    completions,
    recipe_of,
    run_story,
    scored_as,
)

KINDS = {
    "reinforce": {"baseline": "moving_average"},
    "rloo": {},
    "reinforce_plus_plus": {},
    "reinforce_plus_plus with baseline": {"baseline": "group_mean", "samples": 4},
    "grpo": {},
    "dr_grpo": {},
    "dapo": {},
    "gspo": {"cliprange_low": 0.1, "cliprange_high": 0.1},
    "online_dpo": {},
}


def made(name: str, **settings: object):  # type: ignore[no-untyped-def]
    return recipe_of(name.split()[0], **(KINDS[name] | settings))


@pytest.mark.parametrize("name", KINDS)
def test_a_stopped_run_ends_with_the_same_weights(name: str, tmp_path: Path) -> None:
    """And before each iteration's first step the ratio is one, nothing is clipped."""
    recipe = made(name, iterations=4, checkpoint_every=2)
    whole = run_story(tmp_path / "whole", recipe)
    for row in whole.rows:
        assert row["first_pass/ratio_max_error"] < 1e-4
        assert row["first_pass/approxkl"] < 1e-7
        assert row["first_pass/clipfrac"] == 0
    assert not same_weights(whole.published[0], whole.published[-1]), "it learns"
    trained = sum(row["completions/mean_length"] * recipe.rollouts for row in whole.rows)
    generated = whole.rows[-1]["completions/generated_tokens"]
    assert generated == whole.result.generated_tokens
    assert generated == pytest.approx(trained) or (name == "dapo" and generated > trained)
    seen: list[int] = []

    def breaking(given: Sequence[Completion]) -> list[Axes | None]:
        seen.append(len(given))
        if sum(seen) > 2.5 * recipe.rollouts:
            raise KeyboardInterrupt
        return Favourite()(given)

    with pytest.raises(KeyboardInterrupt):
        run_story(tmp_path / "part", recipe, score=breaking)
    again = run_story(tmp_path / "part", recipe)
    assert again.versions[0] == "iteration-2"
    assert again.rows == whole.rows
    assert same_weights(weights_of(again.inputs.policy), weights_of(whole.inputs.policy))


@pytest.mark.parametrize("name", KINDS)
def test_micro_batches_change_nothing(name: str, tmp_path: Path) -> None:
    """Weights after three iterations, in one piece and a few rows at a time."""
    ends = []
    for size in (64, 8192):
        recipe = made(name, micro_batch_tokens=size, optimizer={"epsilon": 1e-3})
        run = run_story(tmp_path / str(size), recipe)
        ends.append((run.rows[-1], weights_of(run.inputs.policy)))
    (rows, weights), (others, moved) = ends
    # which side is ahead is a matter of rounding while the policy has hardly moved
    for metric in rows.keys() - {"step", "rewards/accuracies"}:
        assert others[metric] == pytest.approx(rows[metric], abs=1e-5, rel=1e-3), metric
    for tensor, weight in weights.items():
        assert torch.allclose(moved[tensor], weight, atol=1e-4), tensor


@pytest.mark.parametrize("name", KINDS)
def test_a_planted_reward_rises(name: str, tmp_path: Path) -> None:
    """Half of the tokens are liked; most come from that half in the end."""
    recipe = made(
        name,
        iterations=14,
        rollouts=48,
        missing_eos={"kind": "keep"},
        sampling={"max_new_tokens": 6, "temperature": 1.0},
        optimizer={"learning_rate": 1e-2},
        **({} if name == "dapo" else {"kl": {"coefficient": 0.02}}),
    )
    scores = [row["objective/scores"] for row in run_story(tmp_path, recipe).rows]
    assert np.mean(scores[-3:]) > np.mean(scores[:2]) + 0.1


def test_groups_are_neighbours() -> None:
    """Responses to one prompt, and nobody else's, stand in a row."""
    recipe = recipe_of("rloo", samples=3, rollouts=6)
    run = make_run(recipe)
    scored = judge(
        recipe, run.inputs, completions([2, 3, 1, 2, 2, 8]), scored_as([1, 2, 3, 4, 5, 6])
    )
    assert grouped(torch.arange(6), 3).tolist() == [[0, 1, 2], [3, 4, 5]]
    rollout = compared(scored, scored.scores_B, torch.tensor([[1.0, 2, 3], [4, 5, 6]]), 3)
    assert rollout.advantages_B.tolist() == [1, 2, 3, 4, 5, 6]
    assert rollout.advantages_BT[2].tolist() == [3, 0, 0, 0, 0, 0, 0, 0], "one token, then nothing"
    assert rollout.advantages_BT[5].tolist() == [6] * 8


def test_metrics_of_rewards() -> None:
    """Groups (1, 3) with std √2 and (2, 2) with none; scores a half higher than rewards."""
    recipe = recipe_of("rloo", samples=2, rollouts=4)
    run = make_run(recipe)
    scored = judge(recipe, run.inputs, completions([2, 2, 2, 2]), scored_as([1.5, 3.5, 2.5, 2.5]))
    found = reward_metrics(scored, torch.tensor([1.0, 3.0, 2.0, 2.0]), 2)
    assert found == pytest.approx(
        {
            "objective/rlhf_reward": 2.0,
            "objective/non_score_reward": -0.5,
            "reward_std": 2**0.5 / 2,
            "frac_reward_zero_std": 0.5,
        }
    )
    assert "reward_std" not in reward_metrics(scored, scored.scores_B, 1)


@pytest.mark.parametrize(
    ("aggregation", "value"),
    [("sequence_mean", 3.0), ("token_mean", 2.5), ("constant", 10 / 16), ("local_token_mean", 2.5)],
)
def test_the_named_mean(aggregation: str, value: float) -> None:
    """Losses (4) and (1, 2, 3), 2 responses of at most 8 tokens: (4 + 2)/2, 10/4, 10/(2 · 8)."""
    losses = torch.tensor([[4.0, 9.0, 9.0], [1.0, 2.0, 3.0]])
    mask = torch.tensor([[True, False, False], [True, True, True]])
    recipe = recipe_of("grpo", aggregation=aggregation)
    assert aggregated(recipe, losses, mask, 4, 2).item() == pytest.approx(value)


@pytest.mark.parametrize("shares", [True, False])
def test_micro_batches_hold_what_is_read_at_once(
    shares: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of("grpo", samples=4, iterations=1, micro_batch_tokens=90)
    run = make_run(recipe)
    if not shares:
        reads_alone(run.inputs.policy)
        reads_alone(run.inputs.reference)
    learned = rows_that_learn(monkeypatch, reading, "statistics_of_rows")
    run_story(tmp_path, recipe, run)
    assert all(tokens_read(rows, shares) <= 90 for rows in learned)
    assert (max(own_tokens(rows) for rows in learned) > 90) == shares
    assert sum(len(rows) for rows in learned) == 16 * recipe.epochs
