"""Offline methods on the four-action bandit: each reaches its own optimum, which is derived.

π_ref = (.4, .3, .2, .1), r = (0, 1, 2, 3). The estimator is exact: every ordered pair of different
actions is a row, weighted by 1/6 (each pair is shown equally often) times σ(r_i − r_j), the
probability of the label; each action is a response of one token. Where the optimum has no closed
form, it is the root of its first-order conditions, found by scipy without any of our formulas.
"""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import root

from preftune.maths.losses.dpo import (
    cdpo_loss,
    chosen_nll,
    dpo_loss,
    hinge_loss,
    log_ratio_margins,
    robust_dpo_loss,
)
from preftune.maths.losses.ipo import ipo_loss
from preftune.maths.losses.kto import kto_loss, reference_point
from preftune.maths.losses.orpo import orpo_loss
from preftune.maths.losses.simpo import simpo_loss

REFERENCE = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
SCORES = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
TILT = (0.085073, 0.173439, 0.314304, 0.427184)
PAIRS = torch.tensor(list(itertools.permutations(range(4), 2)))
CHOSEN, REJECTED = PAIRS.T

Loss = Callable[[torch.Tensor], torch.Tensor]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def labels(scores: torch.Tensor = SCORES, flipped: float = 0.0) -> torch.Tensor:
    """The weight of each row of PAIRS: how often it is labelled so."""
    right = torch.sigmoid(scores[CHOSEN] - scores[REJECTED])
    return ((1 - flipped) * right + flipped * (1 - right)) / 6


def optimum(loss: Loss) -> np.ndarray:
    """Where a quasi-Newton method takes the policy from the reference; for smooth losses."""
    logits = REFERENCE.log().clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [logits],
        max_iter=500,
        tolerance_grad=1e-13,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(logits.log_softmax(-1))
        value.backward()
        return value

    optimizer.step(closure)
    return logits.detach().softmax(-1).numpy()


def descended(loss: Loss, steps: int, rate: float) -> np.ndarray:
    """Where gradient descent whose steps shrink geometrically to nothing takes the policy."""
    logits = REFERENCE.log().clone().requires_grad_()
    for step in range(steps):
        (slope,) = torch.autograd.grad(loss(logits.log_softmax(-1)), logits)
        with torch.no_grad():
            logits -= rate * 1e-9 ** (step / steps) * slope
    return logits.detach().softmax(-1).numpy()


def margins(logprobs: torch.Tensor, reference: torch.Tensor = REFERENCE) -> torch.Tensor:
    return log_ratio_margins(
        chosen_logprobs_B=logprobs[CHOSEN],
        rejected_logprobs_B=logprobs[REJECTED],
        reference_chosen_logprobs_B=reference.log()[CHOSEN],
        reference_rejected_logprobs_B=reference.log()[REJECTED],
    )


def on_margins(formula: Callable[..., torch.Tensor], weights: torch.Tensor, **more: float) -> Loss:
    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        return formula(
            margins_B=margins(logprobs),
            probabilities_B=torch.ones(12, dtype=torch.float64),
            weights_B=weights,
            denominator=1.0,
            **more,
        )

    return loss


def on_logprobs(formula: Callable[..., torch.Tensor], **more: float) -> Loss:
    """The same for the methods without a reference."""

    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        return formula(
            chosen_mean_logprobs_B=logprobs[CHOSEN],
            rejected_mean_logprobs_B=logprobs[REJECTED],
            probabilities_B=torch.ones(12, dtype=torch.float64),
            weights_B=labels(),
            denominator=1.0,
            **more,
        )

    return loss


def distance(found: np.ndarray, expected: np.ndarray | tuple[float, ...]) -> float:
    """Total variation."""
    return 0.5 * float(np.abs(found - np.asarray(expected)).sum())


def tilt(scores: np.ndarray, reference: torch.Tensor = REFERENCE) -> np.ndarray:
    """π_ref e^s / Z."""
    weights = reference.numpy() * np.exp(scores)
    return weights / weights.sum()


def solved(conditions: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The policy at the root of first-order conditions in the logits (the first one is 0)."""

    def of(free: np.ndarray) -> np.ndarray:
        return conditions(np.concatenate([[0.0], free]))[1:]

    result = root(of, np.array([0.1, 0.2, 0.3]), tol=1e-13)
    assert np.abs(of(result.x)).max() < 1e-10
    weights = np.exp(np.concatenate([[0.0], result.x]))
    return weights / weights.sum()


R = SCORES.numpy()
DELTA = R[:, None] - R[None, :]
P = sigmoid(DELTA)
OFF = ~np.eye(4, dtype=bool)
WINS = (P * OFF).sum(1) / 6  # how often each action is the chosen one


def test_dpo_reaches_the_tilt() -> None:
    found = optimum(on_margins(dpo_loss, labels(), beta=1.0))
    assert distance(found, tilt(R)) < 1e-6 and distance(found, TILT) < 1e-6


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_dpo_s_beta_divides_the_reward(beta: float) -> None:
    found = optimum(on_margins(dpo_loss, labels(), beta=beta))
    assert distance(found, tilt(R / beta)) < 1e-6


def test_robust_dpo_reaches_the_tilt_from_flipped_labels() -> None:
    """Labels flipped at rate .2: the robust loss undoes it, the plain one does not."""
    flipped = labels(flipped=0.2)
    robust = optimum(on_margins(robust_dpo_loss, flipped, beta=1.0, label_smoothing=0.2))
    assert distance(robust, tilt(R)) < 1e-6
    plain = optimum(on_margins(dpo_loss, flipped, beta=1.0))
    assert distance(plain, tilt(R)) > 0.1


def test_cdpo_reaches_its_own_flatter_policy() -> None:
    """Σ_j (p'_ij − σ(βh_ij)) = 0 for each i, p' = (1 − ε) p + ε (1 − p)."""
    epsilon = 0.1
    target = (1 - epsilon) * P + epsilon * (1 - P)

    def conditions(z: np.ndarray) -> np.ndarray:
        h = z - np.log(REFERENCE.numpy())
        return ((target - sigmoid(h[:, None] - h[None, :])) * OFF).sum(1)

    found = optimum(on_margins(cdpo_loss, labels(), beta=1.0, label_smoothing=epsilon))
    assert distance(found, solved(conditions)) < 1e-6
    assert distance(found, tilt(R)) > 0.05, "not the tilt"
    none = optimum(on_margins(cdpo_loss, labels(), beta=1.0, label_smoothing=0.0))
    assert distance(none, tilt(R)) < 1e-6


@pytest.mark.parametrize("scores", [(0.0, 1.0, 2.0, 3.0), (0.0, 0.5, 2.0, 4.0)])
def test_the_hinge_sees_ranks_not_distances(scores: tuple[float, ...]) -> None:
    """Neighbours in rank end exactly 1/β apart in log-ratio: π_ref exp(rank/β)."""
    weights = labels(torch.tensor(scores, dtype=torch.float64))
    found = descended(on_margins(hinge_loss, weights, beta=2.0), steps=1500, rate=0.5)
    assert distance(found, tilt(np.arange(4) / 2)) < 1e-6


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_rpo_lies_between_the_tilt_and_the_winners(alpha: float) -> None:
    """β Σ_j m (p_ij − σ(βh_ij)) + α (W_i − π_i) = 0, W the distribution of winners."""
    plain = on_margins(dpo_loss, labels(), beta=1.0)

    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        likelihood = chosen_nll(
            chosen_mean_logprobs_B=logprobs[CHOSEN], weights_B=labels(), denominator=1.0
        )
        return plain(logprobs) + alpha * likelihood

    def conditions(z: np.ndarray) -> np.ndarray:
        h, pi = z - np.log(REFERENCE.numpy()), np.exp(z) / np.exp(z).sum()
        pull = ((P - sigmoid(h[:, None] - h[None, :])) * OFF).sum(1) / 6
        return pull + alpha * (WINS - pi)

    found = optimum(loss)
    assert distance(found, solved(conditions)) < 1e-6
    assert distance(found, WINS) < distance(tilt(R), WINS)


def test_ipo_reaches_its_own_target() -> None:
    """τ = .5, all pairs with replacement: π_ref exp(p(y ≻ μ)/τ), μ uniform."""
    both = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    weights = torch.sigmoid(SCORES[both[:, 0]] - SCORES[both[:, 1]]) / 8

    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        ratios = logprobs - REFERENCE.log()
        return ipo_loss(
            margins_B=ratios[both[:, 0]] - ratios[both[:, 1]],
            probabilities_B=torch.ones(16, dtype=torch.float64),
            weights_B=weights,
            tau=0.5,
            denominator=1.0,
        )

    found = optimum(loss)
    assert distance(found, (0.262445, 0.277043, 0.270293, 0.190219)) < 1e-6
    assert distance(found, tilt(P.mean(1) / 0.5)) < 1e-6


def test_ipo_stays_finite_where_dpo_does_not() -> None:
    """Two actions, a uniform reference, the first always preferred, τ = 1: σ(1/2) = .62246."""
    logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(800):
        optimizer.zero_grad()
        one = torch.ones(1, dtype=torch.float64)
        ipo_loss(
            margins_B=(logits[0] - logits[1]).unsqueeze(0),
            probabilities_B=one,
            weights_B=one,
            tau=1.0,
            denominator=1.0,
        ).backward()
        optimizer.step()
    assert logits.softmax(-1)[0].item() == pytest.approx(0.622459, abs=1e-6)


def test_spin_reaches_the_data_in_one_round() -> None:
    """λ = 1: p_{t+1} ∝ p_t (p_data/p_t)^{1/λ}. Rows (y, y') weigh p_data(y) p_t(y')."""
    data = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    both = torch.cartesian_prod(torch.arange(4), torch.arange(4))

    def round_of(lam: float) -> np.ndarray:
        def loss(logprobs: torch.Tensor) -> torch.Tensor:
            ratios = logprobs - REFERENCE.log()
            return dpo_loss(
                margins_B=ratios[both[:, 0]] - ratios[both[:, 1]],
                probabilities_B=torch.ones(16, dtype=torch.float64),
                weights_B=data[both[:, 0]] * REFERENCE[both[:, 1]],
                beta=lam,
                denominator=1.0,
            )

        return optimum(loss)

    assert distance(round_of(1.0), data.numpy()) < 1e-6
    step = REFERENCE.numpy() * (data / REFERENCE).numpy() ** 0.5
    assert distance(round_of(2.0), step / step.sum()) < 1e-6, "λ = 2 goes half the way"


def test_simpo_without_a_margin_is_the_tilt_of_nothing() -> None:
    """γ = 0: π ∝ exp(r/β), whatever the policy started from."""
    found = optimum(on_logprobs(simpo_loss, beta=2.0, gamma=0.0))
    assert distance(found, tilt(R / 2, torch.ones(4))) < 1e-6


def test_simpo_with_a_margin() -> None:
    """Σ_j [p_ij σ(γ − d_ij) − p_ji σ(γ + d_ij)] = 0, d_ij = β (log π_i − log π_j)."""
    beta, gamma = 2.0, 0.8

    def conditions(z: np.ndarray) -> np.ndarray:
        d = beta * (z[:, None] - z[None, :])
        return ((P * sigmoid(gamma - d) - P.T * sigmoid(gamma + d)) * OFF).sum(1)

    found = optimum(on_logprobs(simpo_loss, beta=beta, gamma=gamma))
    assert distance(found, solved(conditions)) < 1e-6
    assert found[3] > tilt(R / 2, torch.ones(4))[3], "the margin sharpens"


@pytest.mark.parametrize("lam", [0.1, 1.0, 10.0])
def test_orpo_balances_winners_against_odds(lam: float) -> None:
    """W_i − π_i + λ Σ_k (δ_ik − π_i) G_k/(1 − π_k) = 0, G_i = Σ_j (p_ij − σ(o_i − o_j))/6,
    o = log(π/(1 − π))."""

    def conditions(z: np.ndarray) -> np.ndarray:
        pi = np.exp(z) / np.exp(z).sum()
        odds = np.log(pi / (1 - pi))
        pull = ((P - sigmoid(odds[:, None] - odds[None, :])) * OFF).sum(1) / 6 / (1 - pi)
        return WINS - pi + lam * (pull - pi * pull.sum())

    found = optimum(on_logprobs(orpo_loss, lam=lam))
    assert distance(found, solved(conditions)) < 1e-6


def test_orpo_s_two_ends() -> None:
    """λ = 0: the distribution of winners. λ → ∞: log-odds r + c, where Σ σ(r + c) = 1."""
    assert distance(optimum(on_logprobs(orpo_loss, lam=0.0)), WINS) < 1e-6
    shift = root(lambda c: sigmoid(R + c).sum() - 1, np.array([-2.0]), tol=1e-13).x
    far = optimum(on_logprobs(orpo_loss, lam=1e7))
    assert distance(far, sigmoid(R + shift)) < 1e-5


def kto_optimum(liked: list[int], disliked: list[int]) -> np.ndarray:
    """β = 1; rows are counted out: so many of each action called desirable and undesirable."""
    actions = torch.arange(4).repeat(2).repeat_interleave(torch.tensor(liked + disliked))
    desirable = torch.arange(len(actions)) < sum(liked)

    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        ratios = (logprobs - REFERENCE.log())[actions]
        return kto_loss(
            log_ratios_B=ratios,
            desirable_mask_B=desirable,
            reference_kl=reference_point(mismatched_log_ratios_B=ratios),
            beta=1.0,
            desirable_weight=1.0,
            undesirable_weight=1.0,
            denominator=len(actions),
        )

    return optimum(loss)


def test_kto_on_answers_of_the_reference() -> None:
    """Answers drawn from π_ref, desirable with probability (.6, .7, .8, .9). z₀ is 0 by Jensen,
    and π_i = π_ref,i (√(c_i/(μ π_ref,i)) − 1) with c = π_ref (2d − 1), Σ π = 1."""
    found = kto_optimum([24, 21, 16, 9], [16, 9, 4, 1])
    slopes = np.sqrt([0.2, 0.4, 0.6, 0.8])
    reference = REFERENCE.numpy()
    expected = reference * (2 * slopes / (reference * slopes).sum() - 1)
    assert distance(found, expected) < 1e-6
    assert expected == pytest.approx([0.183654, 0.319059, 0.305460, 0.191827], abs=1e-6)


def test_kto_on_unpaired_preferences_drops_what_loses_more_often() -> None:
    """Chosen is desirable, rejected not: of six pairs each the actions win 1, 2, 4 and 5. Those
    that lose more than they win go to 0; the others share by the same rule, c = (2, 4)/24."""
    found = kto_optimum([1, 2, 4, 5], [5, 4, 2, 1])
    reference, slopes = np.array([0.2, 0.1]), np.sqrt(np.array([2, 4]) / np.array([0.2, 0.1]))
    expected = reference * (1.3 * slopes / (reference * slopes).sum() - 1)
    assert distance(found, np.array([0, 0, *expected])) < 1e-6
