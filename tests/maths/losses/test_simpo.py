"""SimPO: hand values, the margin, gradients, parts that add up."""

import math

import pytest
import torch

from preftune.maths.losses.simpo import simpo_loss


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def loss_of(
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    beta: float = 2.5,
    gamma: float = 1.4,
    p: float = 1.0,
    denominator: float = 1.0,
) -> torch.Tensor:
    return simpo_loss(
        chosen_mean_logprobs_B=chosen,
        rejected_mean_logprobs_B=rejected,
        probabilities_B=torch.full_like(chosen, p),
        weights_B=torch.ones_like(chosen),
        beta=beta,
        gamma=gamma,
        denominator=denominator,
    )


def test_hand_value() -> None:
    """Rewards 2.5 · −1 = −2.5 and 2.5 · −1.2 = −3: −log σ(.5 − 1.4) = log(1 + e^.9) = 1.241154."""
    assert loss_of(row(-1.0), row(-1.2)).item() == pytest.approx(1.241154, abs=1e-6)


def test_without_a_margin_equal_means_cost_log_two() -> None:
    assert loss_of(row(-1.0), row(-1.0), gamma=0.0).item() == pytest.approx(math.log(2))


def test_the_gradient() -> None:
    """−β σ(γ − d) for the chosen mean, the opposite for the rejected: σ(.9) = .710950."""
    chosen, rejected = row(-1.0).requires_grad_(), row(-1.2).requires_grad_()
    loss_of(chosen, rejected).backward()
    assert chosen.grad is not None and rejected.grad is not None
    assert chosen.grad.item() == pytest.approx(-2.5 * 0.710950, abs=1e-5)
    assert rejected.grad.item() == pytest.approx(2.5 * 0.710950, abs=1e-5)


def test_a_soft_label_counts_the_pair_once_each_way() -> None:
    one = loss_of(row(-1.0), row(-1.2)).item()
    other = loss_of(row(-1.2), row(-1.0)).item()
    soft = loss_of(row(-1.0), row(-1.2), p=0.7).item()
    assert soft == pytest.approx(0.7 * one + 0.3 * other)


@pytest.mark.parametrize("delta", [0.5, 2.0])
def test_the_difference_of_least_loss(delta: float) -> None:
    """p = σ(Δ): the loss is least at d = Δ/2 + asinh(e^γ sinh(Δ/2)), above Δ for γ > 0."""
    gamma, p = 0.5, 1 / (1 + math.exp(-delta))
    d = delta / 2 + math.asinh(math.exp(gamma) * math.sinh(delta / 2))
    chosen = row(d).requires_grad_()
    loss_of(chosen, row(0.0), beta=1.0, gamma=gamma, p=p).backward()
    assert chosen.grad is not None and chosen.grad.item() == pytest.approx(0, abs=1e-12)
    assert d > delta


def test_parts_add_up() -> None:
    chosen, rejected = row(-0.5, -2.0, -0.1), row(-1.0, -0.4, -3.0)
    whole = loss_of(chosen, rejected, denominator=3.0)
    parts = loss_of(chosen[[2, 0]], rejected[[2, 0]], denominator=3.0) + loss_of(
        chosen[[1]], rejected[[1]], denominator=3.0
    )
    assert parts.item() == pytest.approx(whole.item())


def test_the_step_s_denominator() -> None:
    """1.241154 of a pair in a step of four."""
    assert loss_of(row(-1.0), row(-1.2), denominator=4.0).item() == pytest.approx(
        0.3102885, abs=1e-6
    )
