"""ILQL's formulas: hand values, gradients, masks, and what they have their minimum at."""

from collections.abc import Callable

import pytest
import torch

from preftune.maths.losses.ilql import (
    conservative_loss,
    expectile_loss,
    guided_logits,
    q_loss,
    weighted_imitation_loss,
)


def expectile(outcomes: list[float], tau: float) -> float:
    """The V with the smallest expectile loss to equally likely outcomes, by Newton's steps."""
    q = torch.tensor([outcomes], dtype=torch.float64)
    v = torch.zeros((), dtype=torch.float64, requires_grad=True)
    mask = torch.ones_like(q, dtype=torch.bool)
    for _ in range(100):
        loss = expectile_loss(
            values_BT=v.expand_as(q), target_q_BT=q, action_mask_BT=mask, tau=tau, denominator=1.0
        )
        (slope,) = torch.autograd.grad(loss, v, create_graph=True)
        (curve,) = torch.autograd.grad(slope, v)
        v = (v - slope / curve).detach().requires_grad_()
    return float(v.detach())


@pytest.mark.parametrize(
    ("outcomes", "tau", "expected"),
    [
        ([0.0, 1.0], 0.7, 0.7),  # .7 (1 − V) = .3 V
        ([0.0, 1.0, 2.0], 0.7, 1.307692),  # .7 (2 − V) = .3 (V + V − 1), V = 1.7/1.3
        ([0.0, 1.0, 2.0], 0.5, 1.0),
        ([0.0, 1.0, 5.0], 0.5, 2.0),
        ([0.0, 1.0, 2.0], 0.99, 1.970297),  # .99 (2 − V) = .01 (2V − 1), V = 1.99/1.01
    ],
)
def test_expectiles(outcomes: list[float], tau: float, expected: float) -> None:
    assert expectile(outcomes, tau) == pytest.approx(expected, abs=1e-6)


def test_expectile_loss_by_hand() -> None:
    """u = 1, −2, masked: (.7 · 1 + .3 · 4) / 2 = .95; dL/dV = (−2 · .7 · 1, 2 · .3 · 2) / 2."""
    values = torch.tensor([[0.0, 3.0, 7.0]], requires_grad=True)
    target = torch.tensor([[1.0, 1.0, float("nan")]], requires_grad=True)
    loss = expectile_loss(
        values_BT=values,
        target_q_BT=target,
        action_mask_BT=torch.tensor([[True, True, False]]),
        tau=0.7,
        denominator=2.0,
    )
    loss.backward()
    assert loss.item() == pytest.approx(0.95)
    assert values.grad is not None and values.grad.tolist() == [pytest.approx([-0.7, 0.6, 0.0])]
    assert target.grad is None


def test_q_loss_by_hand() -> None:
    """Rows of 3 and 1 tokens, γ = .5, the reward on the last token.

    Errors: 0 + .5 · 2 − 1 = 0; 0 + .5 · 4 − 1 = 1; 3 + 0 − 1 = 2; 5 + 0 − 1 = 4. Sum of squares 21.
    """
    nan = float("nan")
    q = torch.tensor([[1.0, 1.0, 1.0], [1.0, nan, nan]], requires_grad=True)
    values = torch.tensor([[9.0, 2.0, 4.0], [9.0, nan, nan]], requires_grad=True)
    loss = q_loss(
        q_BT=q,
        rewards_BT=torch.tensor([[0.0, 0.0, 3.0], [5.0, nan, nan]]),
        values_BT=values,
        action_mask_BT=torch.tensor([[True, True, True], [True, False, False]]),
        gamma=0.5,
        denominator=4.0,
    )
    loss.backward()
    assert loss.item() == pytest.approx(21 / 4)
    assert q.grad is not None
    assert q.grad.tolist() == [pytest.approx([0, -0.5, -1]), pytest.approx([-2, 0, 0])]
    assert values.grad is None


def test_conservative_loss_by_hand() -> None:
    """Q = (0, ln 3): log Σ exp = ln 4; the token of Q ln 3 costs ln 4/3, the other ln 4."""
    q = torch.tensor([[[0.0, 1.0986123], [0.0, 1.0986123], [float("nan")] * 2]])
    loss = conservative_loss(
        q_BTV=q,
        tokens_BT=torch.tensor([[1, 0, 0]]),
        action_mask_BT=torch.tensor([[True, True, False]]),
        denominator=2.0,
    )
    assert loss.item() == pytest.approx((0.2876821 + 1.3862944) / 2, abs=1e-6)


@pytest.mark.parametrize(("beta", "expected"), [(0.0, 1.5), (1.0, (2.7182818 + 2) / 2)])
def test_weighted_imitation_by_hand(beta: float, expected: float) -> None:
    """log π = −1, −2 with advantages 1, 0: β = 0 is plain imitation, (1 + 2)/2."""
    logprobs = torch.tensor([[-1.0, -2.0, float("nan")]], requires_grad=True)
    advantages = torch.tensor([[1.0, 0.0, float("nan")]], requires_grad=True)
    loss = weighted_imitation_loss(
        logprobs_BT=logprobs,
        advantages_BT=advantages,
        action_mask_BT=torch.tensor([[True, True, False]]),
        beta=beta,
        denominator=2.0,
    )
    loss.backward()
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert advantages.grad is None
    assert logprobs.grad is not None and logprobs.grad[0, 2] == 0


def test_guided_logits_by_hand() -> None:
    """π = (½, ½), Q = (1, 0), β = 2: odds e², whatever V is."""
    for v in (0.0, 5.0):
        logits = guided_logits(
            logits_BV=torch.tensor([[7.0, 7.0]]),
            q_BV=torch.tensor([[1.0, 0.0]]),
            values_B=torch.tensor([v]),
            strength=2.0,
        )
        assert float(logits[0, 0] - logits[0, 1]) == pytest.approx(2.0, abs=1e-6)
        assert float(logits[0, 1]) == pytest.approx(-0.6931472 - 2 * v, abs=1e-5)


Formula = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
FORMULAS: dict[str, Formula] = {
    "q": lambda x, mask, n: q_loss(
        q_BT=x[..., 0], rewards_BT=x[..., 1].detach(), values_BT=x[..., 2],
        action_mask_BT=mask, gamma=0.9, denominator=n,
    ),
    "expectile": lambda x, mask, n: expectile_loss(
        values_BT=x[..., 0], target_q_BT=x[..., 1], action_mask_BT=mask, tau=0.7, denominator=n
    ),
    "conservative": lambda x, mask, n: conservative_loss(
        q_BTV=x, tokens_BT=torch.ones(mask.shape, dtype=torch.long), action_mask_BT=mask,
        denominator=n,
    ),
    "imitation": lambda x, mask, n: weighted_imitation_loss(
        logprobs_BT=x[..., 0], advantages_BT=x[..., 1], action_mask_BT=mask, beta=1.0,
        denominator=n,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_masked_entries_may_be_anything_and_the_split_changes_nothing(name: str) -> None:
    formula = FORMULAS[name]
    x = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = torch.arange(5) < torch.tensor([[5], [3], [1], [4]])
    clean = x.clone().requires_grad_()
    whole = formula(clean, mask, 13.0)
    whole.backward()
    poisoned = torch.where(mask.unsqueeze(-1), x, float("nan")).requires_grad_()
    parts = [formula(poisoned[rows], mask[rows], 13.0) for rows in ([0, 3], [2, 1])]
    torch.stack(parts).sum().backward()
    assert float(sum(parts)) == pytest.approx(float(whole), abs=1e-12)
    assert clean.grad is not None and poisoned.grad is not None
    assert torch.allclose(poisoned.grad, clean.grad, atol=1e-12)
