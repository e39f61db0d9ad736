"""IPO: hand values, where its gradient vanishes, soft labels, parts that add up."""

import pytest
import torch

from preftune.maths.losses.ipo import ipo_loss


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def loss_of(margins: torch.Tensor, tau: float, p: float = 1.0, denominator: float = 1.0) -> float:
    return ipo_loss(
        margins_B=margins,
        probabilities_B=torch.full_like(margins, p),
        weights_B=torch.ones_like(margins),
        tau=tau,
        denominator=denominator,
    ).item()


@pytest.mark.parametrize("tau", [0.1, 0.5, 2.0])
def test_where_policy_and_reference_agree(tau: float) -> None:
    assert loss_of(row(0.0), tau) == pytest.approx(1 / (4 * tau**2))


def test_by_hand() -> None:
    """τ = .1, so the target is 5: (7 − 5)² = 4, as (3 − 5)²; a rejected answer above costs more."""
    assert loss_of(row(7.0), 0.1) == pytest.approx(4.0)
    assert loss_of(row(3.0), 0.1) == pytest.approx(4.0)
    assert loss_of(row(-1.0), 0.1) == pytest.approx(36.0)


@pytest.mark.parametrize(("p", "best"), [(1.0, 1.0), (0.7, 0.4), (0.5, 0.0)])
def test_the_margin_of_least_loss(p: float, best: float) -> None:
    """d/dh [p (h − t)² + (1 − p)(h + t)²] = 0 at h = (2p − 1) t, t = 1/(2τ) = 1."""
    h = row(best).requires_grad_()
    ipo_loss(
        margins_B=h, probabilities_B=row(p), weights_B=row(1), tau=0.5, denominator=1.0
    ).backward()
    assert h.grad is not None and h.grad.item() == pytest.approx(0, abs=1e-12)
    assert loss_of(row(best + 0.1), 0.5, p) > loss_of(row(best), 0.5, p)


def test_a_soft_label_counts_the_pair_once_each_way() -> None:
    h = row(0.4, 1.7)
    expected = 0.7 * loss_of(h, 0.3) + 0.3 * loss_of(-h, 0.3)
    assert loss_of(h, 0.3, p=0.7) == pytest.approx(expected)


def test_parts_add_up() -> None:
    h = row(0.3, -1.0, 2.0)
    parts = loss_of(h[[2]], 0.5, denominator=3) + loss_of(h[[1, 0]], 0.5, denominator=3)
    assert parts == pytest.approx(((0.3 - 1) ** 2 + 4 + 1) / 3)
