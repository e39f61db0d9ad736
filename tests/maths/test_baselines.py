"""Rewards against other rewards: hand values, identities, what a mask hides."""

import itertools

import pytest
import torch

from preftune.maths.baselines import (
    above_batch_mean,
    above_group_mean,
    above_the_others,
    batch_scaled,
    group_scaled,
    group_scaled_population,
    moving_average,
    returns_to_go,
    sequence_rewards,
)

ONE_OF_FOUR = torch.tensor([[1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
GROUPS = torch.tensor([[1.0, 3.0, 8.0], [2.0, 2.0, 2.0]], dtype=torch.float64)


def test_one_right_answer_of_four() -> None:
    """Mean 1/4. Others' means 0 and 1/3. Var (9/16 + 3/16)/3 = 1/4 or, by 4, 3/16."""
    third = 1 / 3
    assert above_the_others(rewards_NG=ONE_OF_FOUR)[0].tolist() == pytest.approx(
        [1, -third, -third, -third]
    )
    assert above_group_mean(rewards_NG=ONE_OF_FOUR)[0].tolist() == [0.75, -0.25, -0.25, -0.25]
    # .75 / (.5 + 1e-4) = 1.4997, -.25 / .5001 = -.4999
    assert group_scaled(rewards_NG=ONE_OF_FOUR)[0, :2].tolist() == pytest.approx(
        [1.4997, -0.4999], abs=5e-5
    )
    # .75 / √(3/16) = 1.732, -.25 / .4330 = -.577
    population = group_scaled_population(rewards_NG=ONE_OF_FOUR, epsilon=0.0)
    assert population[0, :2].tolist() == pytest.approx([1.7320508, -0.5773503])
    # .75 / (.4330127 + .5)
    wide = group_scaled_population(rewards_NG=ONE_OF_FOUR, epsilon=0.5)
    assert wide[0, 0].item() == pytest.approx(0.8038476)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_leave_one_out_is_the_mean_scaled(count: int) -> None:
    rewards = torch.randn(5, count, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = count / (count - 1) * above_group_mean(rewards_NG=rewards)
    assert torch.allclose(above_the_others(rewards_NG=rewards), expected, atol=1e-12)


def test_groups_do_not_mix() -> None:
    """(1, 3, 8): mean 4, squares 9 + 1 + 16 = 26, std √13; the other group is all alike."""
    assert above_group_mean(rewards_NG=GROUPS).tolist() == [[-3, -1, 4], [0, 0, 0]]
    scaled = group_scaled(rewards_NG=GROUPS, epsilon=0.0)[0]
    assert scaled.tolist() == pytest.approx([x / 13**0.5 for x in (-3, -1, 4)])
    for advantages in (group_scaled, group_scaled_population, above_the_others):
        assert advantages(rewards_NG=GROUPS)[1].tolist() == [0, 0, 0]  # type: ignore[operator]


def test_one_scale_for_the_batch() -> None:
    """Differences (−3, −1, 4, 0, 0, 0): mean square 26/6."""
    scaled = batch_scaled(rewards_NG=GROUPS, epsilon=0.0)
    assert scaled.flatten().tolist() == pytest.approx(
        [x / (26 / 6) ** 0.5 for x in (-3, -1, 4, 0, 0, 0)]
    )
    wide = batch_scaled(rewards_NG=GROUPS, epsilon=1.0)
    assert wide[0, 0].item() == pytest.approx(-3 / ((26 / 6) ** 0.5 + 1))


def test_means_and_averages() -> None:
    rewards = torch.tensor([1.0, 2.0, 6.0])
    assert above_batch_mean(rewards_B=rewards).tolist() == [-2, -1, 3]
    # .9 · 5 + .1 · 3
    assert moving_average(average=5.0, rewards_B=rewards, decay=0.9) == pytest.approx(4.8)


@pytest.mark.parametrize(
    "advantages", [above_the_others, above_group_mean, group_scaled, batch_scaled]
)
def test_order_within_and_of_groups_changes_nothing(advantages) -> None:  # type: ignore[no-untyped-def]
    rewards = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    plain = advantages(rewards_NG=rewards)
    moved = advantages(rewards_NG=rewards[[2, 0, 3, 1]][:, [1, 2, 0]])
    assert torch.allclose(moved, plain[[2, 0, 3, 1]][:, [1, 2, 0]], atol=1e-12)


def test_leave_one_out_has_the_expectation_of_no_baseline() -> None:
    """E over all groups of A_i ∇log π(a_i) is E[r ∇log π]; with itself included (1 − 1/G) of it."""
    policy = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    rewards = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    groups = torch.tensor(list(itertools.product(range(3), repeat=3)))
    chance = policy[groups].prod(-1, keepdim=True)
    exact = policy * (rewards - (policy * rewards).sum())  # by the logits of a softmax
    for advantages, share in ((above_the_others, 1.0), (above_group_mean, 2 / 3)):
        weights = chance * advantages(rewards_NG=rewards[groups]) / 3  # type: ignore[operator]
        score = torch.eye(3, dtype=torch.float64)[groups] - policy
        assert torch.allclose((weights.unsqueeze(-1) * score).sum((0, 1)), share * exact)


NAN = float("nan")
MASK = torch.tensor([[True, True, True], [True, False, False]])
KL = torch.tensor([[0.5, -0.25, 1.0], [2.0, NAN, NAN]], requires_grad=True)


def test_a_response_pays_for_the_kl_of_its_tokens() -> None:
    """3 − .2 · (.5 − .25 + 1) = 2.75 and 1 − .2 · 2 = .6; no gradient."""
    rewards = sequence_rewards(
        scores_B=torch.tensor([3.0, 1.0]), kl_BT=KL, action_mask_BT=MASK, kl_coefficient=0.2
    )
    assert rewards.tolist() == pytest.approx([2.75, 0.6])
    assert not rewards.requires_grad


def test_returns_are_what_is_still_to_come() -> None:
    returns = returns_to_go(rewards_BT=KL.detach(), action_mask_BT=MASK)
    assert returns.tolist() == [[1.25, 0.75, 1.0], [2.0, 0, 0]]
