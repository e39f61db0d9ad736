"""KTO: hand values, the reference point, weights, gradients, parts that add up."""

import math

import pytest
import torch

from preftune.maths.losses.kto import kto_loss, reference_point


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def loss_of(
    ratios: torch.Tensor,
    desirable: list[bool],
    kl: float = 0.5,
    weights: tuple[float, float] = (1.0, 1.0),
    denominator: float = 1.0,
) -> torch.Tensor:
    return kto_loss(
        log_ratios_B=ratios,
        desirable_mask_B=torch.tensor(desirable),
        reference_kl=kl,
        beta=0.1,
        desirable_weight=weights[0],
        undesirable_weight=weights[1],
        denominator=denominator,
    )


def test_hand_values() -> None:
    """z₀ = .5: 1 − σ(.1 (2 − .5)) = 1 − σ(.15) = .46257; 1 − σ(.1 (.5 + 3)) = .41338."""
    assert loss_of(row(2.0), [True]).item() == pytest.approx(0.46257, abs=1e-5)
    assert loss_of(row(-3.0), [False]).item() == pytest.approx(0.41338, abs=1e-5)


def test_where_policy_and_reference_agree_each_answer_costs_a_half() -> None:
    assert loss_of(row(0, 0), [True, False], kl=0.0, denominator=2.0).item() == 0.5


def test_weights() -> None:
    """2 · .46257 + 3 · .41338 = 2.16528."""
    both = loss_of(row(2.0, -3.0), [True, False], weights=(2.0, 3.0))
    assert both.item() == pytest.approx(2.16528, abs=2e-5)


def test_desirable_answers_rise_and_undesirable_ones_fall() -> None:
    """dL/dr = ∓β σ(x)(1 − σ(x)) with x = β(r − z₀) = .15: ∓.1 · .53743 · .46257."""
    ratios = row(2.0, 2.0).requires_grad_()
    loss_of(ratios, [True, False]).backward()
    slope = 0.1 * 0.537430 * 0.462570
    assert ratios.grad is not None
    assert ratios.grad.tolist() == pytest.approx([-slope, slope], abs=1e-7)


def test_the_reference_point_is_a_mean_above_zero() -> None:
    """(3 − 1 + .5 − .5) / 4 = .5; a mean below zero is no KL."""
    assert reference_point(mismatched_log_ratios_B=row(3, -1, 0.5, -0.5)) == pytest.approx(0.5)
    assert reference_point(mismatched_log_ratios_B=row(-1, 0.5)) == 0.0
    assert reference_point(mismatched_log_ratios_B=row(0, 0, 0)) == 0.0


def test_the_reference_point_carries_no_gradient() -> None:
    ratios = row(1.0, 2.0).requires_grad_()
    z = reference_point(mismatched_log_ratios_B=ratios)
    assert type(z) is float and z == 1.5
    own = row(2.0).requires_grad_()
    loss_of(own, [True], kl=z).backward()
    assert ratios.grad is None and own.grad is not None


def test_parts_add_up_in_any_order() -> None:
    ratios, desirable = row(1.0, -2.0, 0.5), [True, False, False]
    whole = loss_of(ratios, desirable, denominator=3.0).item()
    parts = loss_of(ratios[[2]], [False], denominator=3.0) + loss_of(
        ratios[[1, 0]], [False, True], denominator=3.0
    )
    assert parts.item() == pytest.approx(whole)

    def sigma(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    expected = (1 - sigma(0.05)) + sigma(-0.25) + sigma(0.0)
    assert whole == pytest.approx(expected / 3)
