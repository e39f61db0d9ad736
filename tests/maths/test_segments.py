"""Preferences between segments: hand values, gradients, masks, the lapse, the ensemble."""

import math

import numpy as np
import pytest
import torch

from preftune.maths.segments import (
    ensemble_rewards,
    member_normalisation,
    preference_variance,
    segment_losses,
    segment_preferences,
    segment_returns,
)

NAN = float("nan")


def row(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


def losses(
    first: torch.Tensor,
    second: torch.Tensor,
    preferences: list[float],
    weights: torch.Tensor | None = None,
    lapse: float = 0.1,
) -> torch.Tensor:
    weights = torch.ones_like(first) if weights is None else weights
    return segment_losses(
        first_returns_MN=first,
        second_returns_MN=second,
        preferences_N=torch.tensor(preferences, dtype=torch.float64),
        weights_MN=weights,
        lapse=lapse,
        denominators_M=weights.sum(-1),
    )


def test_a_return_is_a_sum_over_real_steps() -> None:
    rewards = torch.tensor(
        [[[1.0, 2.0, 3.0], [4.0, NAN, NAN]], [[0.5, 0.5, 0.5], [-1.0, NAN, 7.0]]]
    )
    mask = torch.tensor([[True, True, True], [True, False, False]])
    found = segment_returns(rewards_MNT=rewards, step_mask_NT=mask)
    assert found.tolist() == [[6.0, 4.0], [1.5, -1.0]]


def test_masked_steps_get_no_gradient() -> None:
    rewards = torch.tensor([[[1.0, NAN]]], requires_grad=True)
    mask = torch.tensor([[True, False]])
    segment_returns(rewards_MNT=rewards, step_mask_NT=mask).sum().backward()
    assert rewards.grad is not None and rewards.grad.tolist() == [[[1.0, 0.0]]]


def test_preferences_by_hand() -> None:
    """Δ = 1: σ = .7310586, and .9 · .7310586 + .05 = .7079527. Δ = ±∞: .95 and .05."""
    found = segment_preferences(
        first_returns_MN=row(3.0, 0.0, 900.0, -900.0),
        second_returns_MN=row(2.0, 0.0, 0.0, 0.0),
        lapse=0.1,
    )
    assert found[0].tolist() == pytest.approx([0.7079527, 0.5, 0.95, 0.05], abs=1e-7)


def test_both_orders_add_up_to_one() -> None:
    first, second = row(0.3, -2.0, 5.0), row(1.0, 4.0, 5.0)
    there = segment_preferences(first_returns_MN=first, second_returns_MN=second, lapse=0.1)
    back = segment_preferences(first_returns_MN=second, second_returns_MN=first, lapse=0.1)
    assert (there + back)[0].tolist() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize(
    ("preference", "loss"),
    # −log .7079527; −log .2920473; the mean of the two.
    [(1.0, 0.3453780), (0.0, 1.2308396), (0.5, 0.7881088)],
)
def test_losses_by_hand(preference: float, loss: float) -> None:
    found = losses(row(3.0), row(2.0), [preference])
    assert found.item() == pytest.approx(loss, abs=1e-7)


def test_a_tie_is_cheapest_between_equals() -> None:
    assert losses(row(2.0), row(2.0), [0.5]).item() == pytest.approx(math.log(2))
    assert losses(row(2.5), row(2.0), [0.5]).item() > math.log(2)


def test_the_lapse_bounds_the_loss_and_lets_mistakes_go() -> None:
    """A wrong answer costs at most −log .05 = 2.9957, and far off it pulls no more."""
    first = row(-30.0).requires_grad_()
    found = losses(first, row(0.0), [1.0])
    found.sum().backward()
    assert found.item() == pytest.approx(-math.log(0.05), abs=1e-6)
    assert first.grad is not None and abs(first.grad.item()) < 1e-10


def test_without_a_lapse_it_is_bradley_terry_and_stays_finite() -> None:
    first = row(0.5, -500.0).requires_grad_()
    found = losses(first, row(0.0, 0.0), [0.7, 1.0], weights=row(1.0, 1.0), lapse=0.0)
    sigma = 1 / (1 + math.exp(-0.5))
    expected = (-0.7 * math.log(sigma) - 0.3 * math.log(1 - sigma) + 500.0) / 2
    assert found.item() == pytest.approx(expected)
    found.sum().backward()
    assert first.grad is not None
    assert first.grad[0].tolist() == pytest.approx([(sigma - 0.7) / 2, -0.5])


def test_gradient_by_hand() -> None:
    """dL/dR₁ = −.9 σ(1 − σ) / P for μ = 1; at Δ = 1 that is −.9 · .1966119 / .7079527."""
    first, second = row(3.0).requires_grad_(), row(2.0).requires_grad_()
    losses(first, second, [1.0]).sum().backward()
    assert first.grad is not None and second.grad is not None
    assert first.grad.item() == pytest.approx(-0.2499473, abs=1e-6)
    assert (first.grad + second.grad).item() == pytest.approx(0.0)


def test_gradient_against_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(3, 4, dtype=torch.float64, generator=generator).requires_grad_()
    second = torch.randn(3, 4, dtype=torch.float64, generator=generator).requires_grad_()
    weights = torch.tensor([[1.0, 0, 2, 1]] * 3, dtype=torch.float64)

    def loss(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return losses(a, b, [1.0, 0.0, 0.5, 1.0], weights)

    assert torch.autograd.gradcheck(loss, (first, second))


def test_members_learn_from_their_own_sample_only() -> None:
    first = torch.tensor([[1.0, 5.0], [1.0, 5.0]], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([[2.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    found = losses(first, torch.zeros_like(first), [1.0, 0.0], weights, lapse=0.0)
    # Member 0: the first comparison twice, log(1 + e^−1). Member 1: the mean with log(1 + e^5).
    one, other = math.log1p(math.exp(-1)), math.log1p(math.exp(5))
    assert found.tolist() == pytest.approx([one, (one + other) / 2])
    found.sum().backward()
    assert first.grad is not None and first.grad[0, 1] == 0 and first.grad[1, 1] != 0


def test_a_comparison_not_in_the_sample_may_hold_anything() -> None:
    first = row(1.0, NAN).requires_grad_()
    found = losses(first, row(0.0, 3.0), [1.0, 1.0], row(1.0, 0.0))
    found.sum().backward()
    assert found.item() == pytest.approx(0.3453780, abs=1e-7)
    assert first.grad is not None and first.grad[0].isfinite().all()


def test_parts_of_a_step_add_up() -> None:
    first, second = row(1.0, -1.0, 0.5), row(0.0, 0.0, 2.0)
    mu, weights = [1.0, 0.0, 0.5], row(2.0, 1.0, 1.0)
    whole = losses(first, second, mu, weights)
    parts = sum(
        segment_losses(
            first_returns_MN=first[:, n : n + 1],
            second_returns_MN=second[:, n : n + 1],
            preferences_N=torch.tensor(mu[n : n + 1], dtype=torch.float64),
            weights_MN=weights[:, n : n + 1],
            lapse=0.1,
            denominators_M=weights.sum(-1),
        )
        for n in range(3)
    )
    assert parts == pytest.approx(whole)


def test_disagreement_by_hand() -> None:
    """.2, .4, .9: mean .5, variance (.09 + .01 + .16) / 3."""
    preferences = torch.tensor([[0.2, 0.7, 0.0], [0.4, 0.7, 1.0], [0.9, 0.7, 0.0]])
    found = preference_variance(preferences_MN=preferences)
    assert found.tolist() == pytest.approx([0.26 / 3, 0.0, 2 / 9], abs=1e-7)


def test_disagreement_is_about_the_winner_not_the_reward() -> None:
    """Members far apart in reward agree who wins; members close in reward do not."""
    sure = segment_preferences(
        first_returns_MN=torch.tensor([[10.0], [60.0]]),
        second_returns_MN=torch.zeros(2, 1),
        lapse=0.1,
    )
    torn = segment_preferences(
        first_returns_MN=torch.tensor([[-1.0], [1.0]]),
        second_returns_MN=torch.zeros(2, 1),
        lapse=0.1,
    )
    assert preference_variance(preferences_MN=sure) < 1e-8
    # σ(±1) is .5 ± .2310586; times .9, squared: .0432447.
    assert preference_variance(preferences_MN=torn).item() == pytest.approx(0.0432447, abs=1e-6)


def test_normalised_members_have_mean_zero_and_one_deviation() -> None:
    rng = np.random.default_rng(0)
    raw = torch.tensor(rng.normal([[3.0], [-1.0]], [[10.0], [0.1]], (2, 500)))
    gains, biases = member_normalisation(raw_rewards_MN=raw, deviation=0.05)
    scaled = (gains[:, None] * raw + biases[:, None]).numpy()
    assert scaled.mean(-1) == pytest.approx([0, 0], abs=1e-12)
    assert scaled.std(-1) == pytest.approx([0.05, 0.05])
    assert bool((gains > 0).all()), "the order of rewards stays"


def test_normalisation_by_hand() -> None:
    raw = torch.tensor([[1.0, 3.0], [0.0, 10.0], [4.0, 4.0]])
    gains, biases = member_normalisation(raw_rewards_MN=raw, deviation=1.0)
    assert gains[:2].tolist() == pytest.approx([1.0, 0.2])
    assert biases[:2].tolist() == pytest.approx([-2.0, -1.0])
    constant = gains[2] * raw[2] + biases[2]
    assert constant.tolist() == pytest.approx([0.0, 0.0])


def test_the_ensemble_is_the_mean_of_normalised_members() -> None:
    """A member with a hundred times the scale has no more say: (−1 + 1)/2 and (1 − 1)/2."""
    raw = torch.tensor([[1.0, 3.0], [300.0, 100.0]])
    gains, biases = member_normalisation(raw_rewards_MN=raw, deviation=1.0)
    found = ensemble_rewards(raw_rewards_MN=raw, gains_M=gains, biases_M=biases)
    assert found.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    alone = ensemble_rewards(raw_rewards_MN=raw[:1], gains_M=gains[:1], biases_M=biases[:1])
    assert alone.tolist() == pytest.approx([-1.0, 1.0])


def test_the_ensemble_says_the_mean() -> None:
    """Members say 1 · 1 + 0 = 1 and 2 · 2 + 1 = 5."""
    found = ensemble_rewards(
        raw_rewards_MN=torch.tensor([[1.0], [2.0]]),
        gains_M=torch.tensor([1.0, 2.0]),
        biases_M=torch.tensor([0.0, 1.0]),
    )
    assert found.tolist() == [3.0]
