"""ORPO: hand values, the odds of nearly certain answers, gradients, parts that add up."""

import math

import pytest
import torch

from preftune.maths.losses.orpo import log_odds, orpo_loss


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def loss_of(
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    lam: float = 1.0,
    p: float = 1.0,
    denominator: float = 1.0,
) -> torch.Tensor:
    return orpo_loss(
        chosen_mean_logprobs_B=chosen,
        rejected_mean_logprobs_B=rejected,
        probabilities_B=torch.full_like(chosen, p),
        weights_B=torch.ones_like(chosen),
        lam=lam,
        denominator=denominator,
    )


def test_hand_values() -> None:
    """Means −.5 and −1: log-odds .432752 − (−.541325) = .974077, −log σ of it .320300."""
    odds = log_odds(mean_logprobs_B=row(-0.5, -1.0))
    assert (odds[0] - odds[1]).item() == pytest.approx(0.974077, abs=1e-6)
    assert loss_of(row(-0.5), row(-1.0)).item() == pytest.approx(0.5 + 0.320300, abs=1e-6)
    tenth = loss_of(row(-0.5), row(-1.0), lam=0.1).item()
    assert tenth == pytest.approx(0.5 + 0.0320300, abs=1e-6)


def test_odds_of_a_half_are_even() -> None:
    assert log_odds(mean_logprobs_B=row(math.log(0.5))).item() == pytest.approx(0)
    assert log_odds(mean_logprobs_B=row(math.log(0.8))).item() == pytest.approx(math.log(4))


def test_certainty_stays_finite() -> None:
    certain = torch.tensor([0.0, -1e-9, -80.0], requires_grad=True)
    odds = log_odds(mean_logprobs_B=certain)
    odds.sum().backward()
    assert certain.grad is not None
    assert bool(torch.isfinite(odds).all() and torch.isfinite(certain.grad).all())
    assert odds[2].item() == pytest.approx(-80)


def test_the_gradient_against_differences() -> None:
    chosen, rejected = row(-0.7).requires_grad_(), row(-1.9).requires_grad_()
    loss_of(chosen, rejected, lam=0.4).backward()
    step = 1e-6
    up = loss_of(row(-0.7 + step), row(-1.9), lam=0.4) - loss_of(row(-0.7 - step), row(-1.9), 0.4)
    down = loss_of(row(-0.7), row(-1.9 + step), lam=0.4) - loss_of(row(-0.7), row(-1.9 - step), 0.4)
    assert chosen.grad is not None and rejected.grad is not None
    assert chosen.grad.item() == pytest.approx(up.item() / (2 * step), abs=1e-7)
    assert rejected.grad.item() == pytest.approx(down.item() / (2 * step), abs=1e-7)
    assert chosen.grad.item() < -1 < 0 < rejected.grad.item(), "the likelihood alone gives −1"


def test_a_soft_label_splits_the_odds_term_only() -> None:
    chosen, rejected = row(-0.5), row(-1.0)
    one, other = loss_of(chosen, rejected).item(), loss_of(rejected, chosen).item()
    expected = 0.5 + 0.7 * (one - 0.5) + 0.3 * (other - 1.0)
    assert loss_of(chosen, rejected, p=0.7).item() == pytest.approx(expected)


def test_parts_add_up() -> None:
    chosen, rejected = row(-0.5, -2.0, -0.1), row(-1.0, -0.4, -3.0)
    whole = loss_of(chosen, rejected, denominator=3.0)
    parts = loss_of(chosen[[2, 0]], rejected[[2, 0]], denominator=3.0) + loss_of(
        chosen[[1]], rejected[[1]], denominator=3.0
    )
    assert parts.item() == pytest.approx(whole.item())
    assert whole.item() == pytest.approx(loss_of(chosen, rejected).item() / 3)
