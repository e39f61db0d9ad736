"""DPO and its relatives: hand values, gradients, symmetries, labels, parts that add up."""

import math
from collections.abc import Callable

import pytest
import torch

from preftune.maths.losses.dpo import (
    cdpo_loss,
    chosen_nll,
    dpo_loss,
    hinge_loss,
    log_ratio_margins,
    robust_dpo_loss,
)
from preftune.maths.shapes import ShapeError

LN2 = math.log(2)
GENERATOR = torch.Generator().manual_seed(0)
LOGPROBS = -10 * torch.rand(4, 5, generator=GENERATOR, dtype=torch.float64)


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def margins_of(sides: torch.Tensor) -> torch.Tensor:
    """Of policy chosen, policy rejected, reference chosen, reference rejected, [4, B]."""
    chosen, rejected, reference_chosen, reference_rejected = sides
    return log_ratio_margins(
        chosen_logprobs_B=chosen,
        rejected_logprobs_B=rejected,
        reference_chosen_logprobs_B=reference_chosen,
        reference_rejected_logprobs_B=reference_rejected,
    )


def loss_of(
    formula: Callable[..., torch.Tensor],
    margins: torch.Tensor,
    p: float = 1.0,
    beta: float = 1.0,
    **more: float,
) -> float:
    return formula(
        margins_B=margins,
        probabilities_B=torch.full_like(margins, p),
        weights_B=torch.ones_like(margins),
        beta=beta,
        denominator=len(margins),
        **more,
    ).item()


def test_the_margin_by_hand() -> None:
    """(−3 + 4) − (−5 + 4.5) = 1.5: the chosen answer gained 1 nat, the rejected one lost .5."""
    assert margins_of(row(-3, -5, -4, -4.5).unsqueeze(1)).item() == 1.5


def test_exchanging_the_sides_negates_the_margin() -> None:
    exchanged = margins_of(LOGPROBS[[1, 0, 3, 2]])
    assert exchanged.tolist() == pytest.approx((-margins_of(LOGPROBS)).tolist())


def test_a_constant_on_the_reference_changes_nothing() -> None:
    shifted = LOGPROBS.clone()
    shifted[2:] += row(1, -7, 0.5, 100, 3)
    assert margins_of(shifted).tolist() == pytest.approx(margins_of(LOGPROBS).tolist())


def test_the_reference_has_no_gradient() -> None:
    sides = LOGPROBS.clone().requires_grad_()
    margins_of(sides).sum().backward()
    assert sides.grad is not None
    assert sides.grad[:, 0].tolist() == [1, -1, 0, 0]


def test_hand_value() -> None:
    """βh = .7: −log σ(.7) = log(1 + e^−.7) = .40319, and the gradient weighs σ(−.7) = .33181."""
    margins = row(7.0).requires_grad_()
    loss = dpo_loss(
        margins_B=margins, probabilities_B=row(1), weights_B=row(1), beta=0.1, denominator=1.0
    )
    loss.backward()
    assert loss.item() == pytest.approx(0.40319, abs=1e-5)
    assert margins.grad is not None
    assert margins.grad.item() == pytest.approx(-0.1 * 0.33181, abs=1e-6)


@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_where_policy_and_reference_agree_the_loss_is_log_two(beta: float) -> None:
    none = margins_of(LOGPROBS[[0, 1, 0, 1]])
    assert loss_of(dpo_loss, none, beta=beta) == pytest.approx(LN2, abs=1e-12)
    assert loss_of(cdpo_loss, none, beta=beta, label_smoothing=0.2) == pytest.approx(LN2)
    assert loss_of(robust_dpo_loss, none, beta=beta, label_smoothing=0.2) == pytest.approx(LN2)
    assert loss_of(hinge_loss, none, beta=beta) == 1.0


def test_the_gradient_is_the_paper_s() -> None:
    """∇L = −β σ(−βh) (∇ℓ_w − ∇ℓ_l), against differences of the loss itself."""
    beta, step = 0.3, 1e-6
    sides = LOGPROBS.clone().requires_grad_()

    def loss(of: torch.Tensor) -> torch.Tensor:
        ones = torch.ones(5, dtype=torch.float64)
        return dpo_loss(
            margins_B=margins_of(of),
            probabilities_B=ones,
            weights_B=ones,
            beta=beta,
            denominator=1.0,
        )

    loss(sides).backward()
    assert sides.grad is not None
    h = ((LOGPROBS[0] - LOGPROBS[2]) - (LOGPROBS[1] - LOGPROBS[3])).tolist()
    expected = [-beta / (1 + math.exp(beta * x)) for x in h]
    assert sides.grad[0].tolist() == pytest.approx(expected)
    assert sides.grad[1].tolist() == pytest.approx([-x for x in expected])
    for side in (0, 1):
        moved = LOGPROBS.clone()
        moved[side, 2] += step
        back = LOGPROBS.clone()
        back[side, 2] -= step
        slope = (loss(moved) - loss(back)).item() / (2 * step)
        assert slope == pytest.approx(sides.grad[side, 2].item(), abs=1e-7)


def test_smoothed_targets_by_hand() -> None:
    """βh = .7, ε = .1: .9 · .40319 + .1 · (.40319 + .7) = .47319."""
    assert loss_of(cdpo_loss, row(0.7), label_smoothing=0.1) == pytest.approx(0.47319, abs=1e-5)
    # A label of .8 becomes .9 · .8 + .1 · .2 = .74: .74 · .403186 + .26 · 1.103186.
    soft = loss_of(cdpo_loss, row(0.7), p=0.8, label_smoothing=0.1)
    assert soft == pytest.approx(0.585186, abs=1e-6)


def test_the_unbiased_loss_by_hand() -> None:
    """βh = .7, ε = .1: (.9 · .40319 − .1 · 1.10319) / .8 = .31569."""
    found = loss_of(robust_dpo_loss, row(0.7), label_smoothing=0.1)
    assert found == pytest.approx(0.31569, abs=1e-5)


def test_flips_leave_the_unbiased_loss_s_mean_where_it_was() -> None:
    """Of labels flipped at rate ε the mean of the robust loss is DPO's on the true ones."""
    h, epsilon = row(1.3), 0.2
    kept = loss_of(robust_dpo_loss, h, label_smoothing=epsilon)
    flipped = loss_of(robust_dpo_loss, -h, label_smoothing=epsilon)
    assert (1 - epsilon) * kept + epsilon * flipped == pytest.approx(loss_of(dpo_loss, h))


def test_without_smoothing_all_are_the_plain_loss() -> None:
    h = row(-1.0, 0.4, 2.0)
    plain = loss_of(dpo_loss, h)
    assert loss_of(cdpo_loss, h, label_smoothing=0.0) == pytest.approx(plain)
    assert loss_of(robust_dpo_loss, h, label_smoothing=0.0) == pytest.approx(plain)


def test_the_hinge() -> None:
    """max(0, 1 − βh) at βh = .7, 1, 1.4 and −2: .3, 0, 0 and 3, the mean .825."""
    assert loss_of(hinge_loss, row(0.7, 1.0, 1.4, -2.0)) == pytest.approx(0.825)
    assert loss_of(hinge_loss, row(7.0), beta=0.1) == pytest.approx(0.3)


@pytest.mark.parametrize("formula", [dpo_loss, hinge_loss])
def test_a_soft_label_counts_the_pair_once_each_way(formula: Callable[..., torch.Tensor]) -> None:
    h = row(0.4, 1.7)
    expected = 0.7 * loss_of(formula, h) + 0.3 * loss_of(formula, -h)
    assert loss_of(formula, h, p=0.7) == pytest.approx(expected)


def test_weights_and_the_step_s_denominator() -> None:
    """Any split of the pairs, in any order, adds up to the weighted mean over the whole step."""
    h, p, w = row(0.3, -1.0, 2.0, 0.1), row(1, 0.8, 1, 0.6), row(1, 2, 0.5, 1)

    def part(indices: list[int]) -> float:
        return dpo_loss(
            margins_B=h[indices],
            probabilities_B=p[indices],
            weights_B=w[indices],
            beta=0.5,
            denominator=float(w.sum()),
        ).item()

    def single(x: float, q: float) -> float:
        return q * math.log1p(math.exp(-0.5 * x)) + (1 - q) * math.log1p(math.exp(0.5 * x))

    rows = zip(h.tolist(), p.tolist(), w.tolist(), strict=True)
    expected = sum(weight * single(x, q) for x, q, weight in rows) / 4.5
    assert part([0, 1, 2, 3]) == pytest.approx(expected)
    assert part([2, 0]) + part([3, 1]) == pytest.approx(expected)


def test_the_likelihood_term() -> None:
    """−(1 · −.5 + 3 · −1.5) / 4 = 1.25 nats a token."""
    found = chosen_nll(chosen_mean_logprobs_B=row(-0.5, -1.5), weights_B=row(1, 3), denominator=4.0)
    assert found.item() == pytest.approx(1.25)


def test_large_margins_stay_finite() -> None:
    assert loss_of(dpo_loss, row(-500.0)) == pytest.approx(500)
    assert loss_of(dpo_loss, row(500.0)) == pytest.approx(0)


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError):
        dpo_loss(
            margins_B=row(1, 2), probabilities_B=row(1), weights_B=row(1), beta=1, denominator=1
        )
