"""Bradley–Terry: hand values, gradients, soft labels, centring, normalisation."""

import math

import numpy as np
import pytest
import torch

from preftune.maths.losses.reward_model import (
    best_of_softmax_loss,
    bradley_terry_loss,
    centering_loss,
    k_wise_loss,
    label_loss,
    normalisation,
    plackett_luce_loss,
    rating_loss,
    smoothed_probabilities,
)


def loss_of(
    chosen: list[float],
    rejected: list[float],
    probabilities: float | list[float] = 1.0,
    margins: float | list[float] = 0.0,
    weights: float | list[float] = 1.0,
) -> torch.Tensor:
    def row(value: float | list[float]) -> torch.Tensor:
        return torch.tensor(value if isinstance(value, list) else [value] * len(chosen)).double()

    return bradley_terry_loss(
        chosen_scores_B=torch.tensor(chosen).double(),
        rejected_scores_B=torch.tensor(rejected).double(),
        probabilities_B=row(probabilities),
        margins_B=row(margins),
        weights_B=row(weights),
        denominator=float(row(weights).sum()),
    )


@pytest.mark.parametrize(
    ("margin", "loss"), [(0, 0.371101), (1 / 3, 0.486793), (2 / 3, 0.628701), (1, 0.798139)]
)
def test_margins(margin: float, loss: float) -> None:
    assert loss_of([0.8], [0.0], margins=margin).item() == pytest.approx(loss, abs=1e-6)


def test_three_pairs_of_three_scores() -> None:
    assert loss_of([2, 2, 1], [1, 0, 0]).item() == pytest.approx(0.2511505, abs=1e-7)


def test_equal_scores_cost_log_two() -> None:
    assert loss_of([3.0], [3.0]).item() == pytest.approx(math.log(2))


def test_gradient_is_minus_the_probability_of_the_mistake() -> None:
    chosen = torch.tensor([0.3, -1.0], dtype=torch.float64, requires_grad=True)
    rejected = torch.tensor([1.1, -1.5], dtype=torch.float64, requires_grad=True)
    ones, zeros = torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    bradley_terry_loss(
        chosen_scores_B=chosen,
        rejected_scores_B=rejected,
        probabilities_B=ones,
        margins_B=zeros,
        weights_B=ones,
        denominator=1.0,
    ).backward()
    assert chosen.grad is not None and rejected.grad is not None
    expected = [-1 / (1 + math.exp(0.3 - 1.1)), -1 / (1 + math.exp(-1.0 + 1.5))]
    assert chosen.grad.tolist() == pytest.approx(expected)
    assert (chosen.grad + rejected.grad).tolist() == [0.0, 0.0]


def test_a_constant_for_both_sides_changes_nothing() -> None:
    assert loss_of([1.5], [0.25]).item() == pytest.approx(loss_of([101.5], [100.25]).item())


def test_soft_labels_are_cross_entropy() -> None:
    sigma = 1 / (1 + math.exp(-0.5))
    expected = -0.7 * math.log(sigma) - 0.3 * math.log(1 - sigma)
    assert loss_of([0.5], [0.0], probabilities=0.7).item() == pytest.approx(expected)
    turned = loss_of([0.0], [0.5], probabilities=0.3)
    assert turned.item() == pytest.approx(expected)


def test_soft_labels_are_least_at_their_log_odds() -> None:
    """Labels of Δ = 2 with a share .164 flipped are explained best by a margin of 1.130307."""
    p = (1 - 0.164) * (1 / (1 + math.exp(-2))) + 0.164 * (1 - 1 / (1 + math.exp(-2)))
    grid = np.linspace(1.12, 1.14, 201)
    best = min(grid, key=lambda margin: loss_of([margin], [0.0], probabilities=p).item())
    assert best == pytest.approx(1.130307, abs=1e-4)


def test_weights_multiply_and_parts_add_up() -> None:
    whole = loss_of([1.0, 0.0], [0.0, 1.0], weights=[3.0, 1.0]).item()
    expected = (3 * math.log(1 + math.exp(-1)) + math.log(1 + math.exp(1))) / 4
    assert whole == pytest.approx(expected)
    one = torch.ones(1)
    parts = sum(
        bradley_terry_loss(
            chosen_scores_B=torch.tensor([c]),
            rejected_scores_B=torch.tensor([r]),
            probabilities_B=one,
            margins_B=0 * one,
            weights_B=w * one,
            denominator=4.0,
        ).item()
        for c, r, w in ((1.0, 0.0, 3.0), (0.0, 1.0, 1.0))
    )
    assert parts == pytest.approx(expected, abs=1e-6)


def test_large_differences_stay_finite() -> None:
    assert loss_of([0.0], [500.0]).item() == pytest.approx(500)
    assert loss_of([500.0], [0.0]).item() == pytest.approx(0)


def test_centring_holds_the_sum_at_zero() -> None:
    loss = centering_loss(
        chosen_scores_B=torch.tensor([1.0, 2.0]),
        rejected_scores_B=torch.tensor([-1.0, 1.0]),
        weights_B=torch.tensor([1.0, 1.0]),
        denominator=2.0,
    )
    assert loss.item() == pytest.approx(4.5)


def test_normalisation_gives_mean_zero_and_deviation_one() -> None:
    raw = torch.tensor(np.random.default_rng(0).normal(5, 3, 256))
    gain, bias = normalisation(raw_scores_B=raw)
    scores = gain * raw.numpy() + bias
    assert scores.mean() == pytest.approx(0, abs=1e-12)
    assert scores.std(ddof=0) == pytest.approx(1)
    assert gain > 0, "the order of preferences stays"


def test_normalisation_by_hand() -> None:
    assert normalisation(raw_scores_B=torch.tensor([1.0, 3.0])) == pytest.approx((1.0, -2.0))


def test_equal_scores_do_not_divide_by_zero() -> None:
    gain, bias = normalisation(raw_scores_B=torch.tensor([2.0, 2.0]))
    assert math.isfinite(gain) and gain * 2.0 + bias == pytest.approx(0)


NAN = float("nan")


def table(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def plackett_luce(scores: torch.Tensor, ranks: list[list[int]], denominator: float = 1.0) -> float:
    ranks_BK = torch.tensor(ranks)
    return plackett_luce_loss(
        scores_BK=scores, ranks_BK=ranks_BK, answer_mask_BK=ranks_BK > 0, denominator=denominator
    ).item()


def test_smoothing_mixes_the_two_labels() -> None:
    """(1 − ε) ℓ(Δ) + ε ℓ(−Δ) with ε = .1, Δ = 1: .9 · .313262 + .1 · 1.313262 = .413262."""
    target = smoothed_probabilities(probabilities_B=torch.ones(1), flipped=0.1).tolist()
    assert target == pytest.approx([0.9])
    assert loss_of([1.0], [0.0], probabilities=target).item() == pytest.approx(0.413262, abs=1e-6)
    same = smoothed_probabilities(probabilities_B=torch.tensor([0.7]), flipped=0.0)
    assert same.tolist() == torch.tensor([0.7]).tolist()
    # .9 · .7 + .1 · .3
    soft = smoothed_probabilities(probabilities_B=torch.tensor([0.7]), flipped=0.1)
    assert soft.item() == pytest.approx(0.66)


def test_k_wise_and_plackett_luce_differ_above_two_answers() -> None:
    """Scores (2, 1, 0), best first. K-wise: [ℓ(1) + ℓ(2) + ℓ(1)] / 3 with ℓ(d) = ln(1 + e^−d):
    (.313262 + .126928 + .313262) / 3 = .251151. Plackett–Luce: ln(e² + e + 1) − 2 + ln(e + 1) − 1
    = .407606 + .313262 = .720868."""
    k_wise = k_wise_loss(
        chosen_scores_B=torch.tensor([2.0, 2.0, 1.0]).double(),
        rejected_scores_B=torch.tensor([1.0, 0.0, 0.0]).double(),
        elements_B=torch.tensor([0, 0, 0]),
        denominator=1.0,
    )
    assert k_wise.item() == pytest.approx(0.2511505, abs=1e-7)
    assert plackett_luce(table([2, 1, 0]), [[1, 2, 3]]) == pytest.approx(0.7208677, abs=1e-7)


def test_k_wise_gives_every_prompt_one_vote() -> None:
    """A prompt with three pairs that cost .251151 in the mean, one with a pair that costs ln 2."""
    loss = k_wise_loss(
        chosen_scores_B=torch.tensor([2.0, 5.0, 2.0, 1.0]),
        rejected_scores_B=torch.tensor([1.0, 5.0, 0.0, 0.0]),
        elements_B=torch.tensor([0, 1, 0, 0]),
        denominator=2.0,
    )
    assert loss.item() == pytest.approx((0.2511505 + math.log(2)) / 2, abs=1e-6)


@pytest.mark.parametrize("difference", [-1.5, 0.0, 0.8])
def test_two_answers_are_bradley_terry_in_every_objective(difference: float) -> None:
    expected = math.log1p(math.exp(-difference))
    scores = table([difference + 3, 3.0])
    assert plackett_luce(scores, [[1, 2]]) == pytest.approx(expected)
    there = torch.ones(1, 2, dtype=torch.bool)
    softmax = best_of_softmax_loss(
        scores_BK=scores, answer_mask_BK=there, best_B=torch.tensor([0]), denominator=1.0
    )
    assert softmax.item() == pytest.approx(expected)


def test_best_of_four_by_hand() -> None:
    """−ln(e² / (e² + e + 1 + e^−1)) = ln(7.389056 + 2.718282 + 1 + .367879) − 2 = .440190."""
    scores = table([1, 2, 0, -1], [4, NAN, 4, NAN])
    there = torch.tensor([[True] * 4, [True, False, True, False]])
    loss = best_of_softmax_loss(
        scores_BK=scores, answer_mask_BK=there, best_B=torch.tensor([1, 2]), denominator=2.0
    )
    assert loss.item() == pytest.approx((0.4401897 + math.log(2)) / 2, abs=1e-6)


def test_where_only_the_best_is_known_plackett_luce_is_the_softmax() -> None:
    scores = table([1, 2, 0, -1])
    assert plackett_luce(scores, [[2, 1, 2, 2]]) == pytest.approx(0.4401897, abs=1e-6)


def test_all_rankings_are_one_event() -> None:
    """The probabilities of the six orders of three answers sum to 1."""
    orders = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [3, 1, 2], [2, 3, 1], [3, 2, 1]]
    chances = [math.exp(-plackett_luce(table([0.3, -1.0, 2.0]), [order])) for order in orders]
    assert sum(chances) == pytest.approx(1)


def test_rankings_ignore_padding_and_a_constant_for_the_prompt() -> None:
    padded = table([2, 1, 0, NAN], [7, 5, NAN, NAN]).requires_grad_()
    ranks = torch.tensor([[1, 2, 3, 0], [2, 1, 0, 0]])
    loss = plackett_luce_loss(
        scores_BK=padded, ranks_BK=ranks, answer_mask_BK=ranks > 0, denominator=2.0
    )
    # 7 against 5 the wrong way round costs ln(1 + e²) = 2.126928
    assert loss.item() == pytest.approx((0.7208677 + 2.1269280) / 2, abs=1e-6)
    loss.backward()
    assert padded.grad is not None and bool(padded.grad.isfinite().all())
    assert padded.grad.sum(-1).tolist() == pytest.approx([0, 0], abs=1e-12)
    assert padded.grad[0, 3] == 0 and padded.grad[1, 2] == 0
    moved = plackett_luce(table([102, 101, 100]), [[1, 2, 3]])
    assert moved == pytest.approx(0.7208677, abs=1e-6)


def test_expected_counts_recover_the_log_odds() -> None:
    """p(AB) = p(BC) = .8 and p(AC) = 16/17 are Bradley–Terry with a spacing of ln 4."""
    theta = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], max_iter=200, tolerance_grad=1e-12, tolerance_change=0)

    def cost() -> torch.Tensor:
        optimizer.zero_grad()
        loss = bradley_terry_loss(
            chosen_scores_B=theta[[0, 1, 0]],
            rejected_scores_B=theta[[1, 2, 2]],
            probabilities_B=torch.tensor([0.8, 0.8, 16 / 17], dtype=torch.float64),
            margins_B=torch.zeros(3),
            weights_B=torch.ones(3),
            denominator=3.0,
        )
        loss.backward()
        return loss

    optimizer.step(cost)
    gaps = (theta[:2] - theta[1:]).detach().tolist()
    assert gaps == pytest.approx([math.log(4)] * 2, abs=1e-6)
    assert gaps[0] * 400 / math.log(10) == pytest.approx(240.824, abs=1e-3)


def test_ratings_are_squared_errors_in_the_axis_own_scale() -> None:
    """((3 − 1)/2)² + ((.5 − 1)/.25)² = 1 + 4, over two ratings; the untouched one is left out."""
    scores = table([3, 0.5], [NAN, 9]).requires_grad_()
    ratings = table([1, 1], [NAN, NAN])
    loss = rating_loss(
        scores_BK=scores,
        ratings_BK=ratings,
        rated_mask_BK=~ratings.isnan(),
        scales_K=torch.tensor([2.0, 0.25]),
        denominator=2.0,
    )
    assert loss.item() == pytest.approx(2.5)
    loss.backward()
    assert scores.grad is not None
    # d/ds ((s − r)/σ)² / 2 = (s − r)/σ²: 2/4 and −.5/.0625
    assert scores.grad.tolist() == [[0.5, -8.0], [0.0, 0.0]]


def test_step_labels_are_cross_entropy_where_there_is_a_label() -> None:
    """−ln σ(2) = .126928, −ln σ(−(−1)) = .313262, and .5 at z = 0 costs ln 2."""
    logits = table([2, -1, NAN], [0, 50, NAN]).requires_grad_()
    targets = table([1, 0, NAN], [0.5, NAN, NAN])
    loss = label_loss(
        logits_BK=logits, targets_BK=targets, labelled_mask_BK=~targets.isnan(), denominator=3.0
    )
    expected = (0.1269280 + 0.3132617 + math.log(2)) / 3
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[1].tolist() == [0, 0, 0] and logits.grad[0, 2] == 0
    assert logits.grad[0, 0].item() == pytest.approx(-(1 - 1 / (1 + math.exp(-2))) / 3)


def test_an_answer_that_is_not_there_is_not_left_over() -> None:
    """Also where its rank says it comes last: 7 over 5 costs ln(1 + e^−2) = .126928, as alone."""
    loss = plackett_luce_loss(
        scores_BK=table([7, 5, 90]),
        ranks_BK=torch.tensor([[1, 2, 3]]),
        answer_mask_BK=torch.tensor([[True, True, False]]),
        denominator=1.0,
    )
    assert loss.item() == pytest.approx(0.126928, abs=1e-6)
