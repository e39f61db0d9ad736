"""The multiplier of a constraint: hand values, and a bandit whose optimum is known."""

import math

import pytest
import torch

from preftune.maths.lagrangian import next_multiplier, penalised

HELPFUL = torch.tensor([1.0, 0.0], dtype=torch.float64)
HARM = torch.tensor([1.0, 0.0], dtype=torch.float64)
BETA = 0.5


def test_by_hand() -> None:
    """1 − 2 · .25 = .5. Mean harm .4 over the limit .1 by .3; a rate of 2 adds .6."""
    found = penalised(helpful_B=torch.tensor([1.0]), harm_B=torch.tensor([0.25]), multiplier=2.0)
    assert found.item() == 0.5
    harm = torch.tensor([0.8, 0.0])
    assert next_multiplier(harm_B=harm, multiplier=1.0, limit=0.1, rate=2.0) == pytest.approx(1.6)
    assert next_multiplier(harm_B=harm, multiplier=0.1, limit=0.9, rate=1.0) == 0.0


def saddle(limit: float) -> tuple[float, float]:
    """λ and P(harmful arm) after dual ascent, the policy answering each λ exactly.

    With KL weight β to a uniform reference the best policy is softmax((helpful − λ harm) / β).
    """
    multiplier = 0.0
    for _ in range(4000):
        rewards = penalised(helpful_B=HELPFUL, harm_B=HARM, multiplier=multiplier)
        policy = (rewards / BETA).softmax(-1)
        harm = (policy * HARM).sum().reshape(1)
        multiplier = next_multiplier(harm_B=harm, multiplier=multiplier, limit=limit, rate=0.05)
    return multiplier, float(policy[0])


@pytest.mark.parametrize("limit", [0.1, 0.3, 0.6])
def test_dual_ascent_finds_the_constrained_optimum(limit: float) -> None:
    """P = σ((1 − λ)/β) = c, so λ* = 1 − β logit(c)."""
    multiplier, harmful = saddle(limit)
    assert multiplier == pytest.approx(1 - BETA * math.log(limit / (1 - limit)), abs=1e-4)
    assert harmful == pytest.approx(limit, abs=1e-4)


def test_a_limit_that_does_not_bind_has_no_price() -> None:
    """σ(1/β) = σ(2) = .881 is less than .95 already."""
    multiplier, harmful = saddle(0.95)
    assert multiplier == 0.0 and harmful == pytest.approx(1 / (1 + math.exp(-2)))
