"""PPO, A2C, TRPO and NLPO where the optimum is known: π* ∝ π_ref exp(r / β), to 1e-6."""

import math

import pytest
import torch

from preftune.maths.action_masks import restricted_logits, top_p_set
from preftune.maths.losses.a2c import actor_loss
from preftune.maths.losses.ppo import policy_loss
from preftune.maths.losses.trpo import conjugate_gradient, mean_kl, step_length, surrogate
from tests.optima.made import (
    REFERENCE,
    SCORES,
    TILTED,
    Problem,
    bandit,
    descend,
    distance,
    exact_tilt,
    two_tokens,
)


def ppo(problem: Problem) -> torch.Tensor:
    now = problem.logprobs()
    old = now.detach()
    return policy_loss(
        logprobs_BT=now,
        old_logprobs_BT=old,
        advantages_BT=problem.weighted_advantages(old, old.sum(-1).exp()),
        action_mask_BT=problem.mask_NT,
        cliprange=0.2,
        denominator=1.0,
    ).loss


def a2c(problem: Problem) -> torch.Tensor:
    now = problem.logprobs()
    old = now.detach()
    return actor_loss(
        logprobs_BT=now,
        advantages_BT=problem.weighted_advantages(old, old.sum(-1).exp()),
        action_mask_BT=problem.mask_NT,
        denominator=1.0,
    )


def masked(problem: Problem, top_p: float) -> torch.Tensor:
    """Log-probabilities, with gradient, among what the reference's top-p set allows."""
    allowed = top_p_set(
        logits_BTV=REFERENCE.log().expand(*problem.sequences.shape, 4),
        always_V=torch.zeros(4, dtype=torch.bool),
        temperature=1.0,
        top_p=top_p,
        min_tokens=1,
    )
    return problem.logprobs(restricted_logits(logits_BTV=problem.logits(), allowed_BTV=allowed))


def nlpo(problem: Problem, top_p: float) -> torch.Tensor:
    """Drawn and weighed under the mask; the KL in the reward is that of raw log-probabilities."""
    now = masked(problem, top_p)
    possible = torch.isfinite(now.detach()).squeeze(1)
    now, raw = now[possible], problem.logprobs().detach()[possible]
    kept = Problem(
        problem.policy,
        problem.sequences[possible],
        problem.reference_NT[possible],
        problem.scores_N[possible],
        problem.beta,
    )
    old = now.detach()
    return policy_loss(
        logprobs_BT=now,
        old_logprobs_BT=old,
        advantages_BT=kept.weighted_advantages(raw, old.sum(-1).exp()),
        action_mask_BT=kept.mask_NT,
        cliprange=0.2,
        denominator=1.0,
    ).loss


@pytest.mark.parametrize("beta", TILTED)
@pytest.mark.parametrize("loss", [ppo, a2c])
def test_four_actions(loss, beta: float) -> None:  # type: ignore[no-untyped-def]
    problem = descend(bandit(beta), loss)
    found = problem.policy.logits.softmax(-1).detach()
    assert found.tolist() == pytest.approx(TILTED[beta], abs=2e-6)
    assert distance(found, exact_tilt(beta)) < 1e-6
    kl = float((found * (found / REFERENCE).log()).sum())
    log_z = float((REFERENCE * (SCORES / beta).exp()).sum().log())
    assert float((found * SCORES).sum()) - beta * kl == pytest.approx(beta * log_z, abs=1e-9)


@pytest.mark.parametrize("loss", [ppo, a2c])
def test_two_tokens_with_the_score_at_the_end(loss) -> None:  # type: ignore[no-untyped-def]
    """p(1) = e / (1 + e) = .7310586 at the first token and after either of them."""
    ones = descend(two_tokens(), loss).policy.logits.softmax(-1)[:, 1].tolist()
    assert ones == pytest.approx([1 / (1 + math.exp(-1))] * 3, abs=1e-6)


def test_a_response_that_never_ends_loses_exactly_its_penalty_in_odds() -> None:
    """Scores 0, 0, 0 and −1 for the one that never ends, β = .5: its odds are e^{−1/β}."""
    uniform = torch.full((4, 1), 0.25, dtype=torch.float64).log()
    scores = torch.tensor([0.0, 0.0, 0.0, -1.0], dtype=torch.float64)
    problem = bandit(0.5)
    problem.reference_NT, problem.scores_N = uniform, scores
    found = descend(problem, ppo).policy.logits.softmax(-1).detach()
    assert float(found[3] / found[0]) == pytest.approx(math.exp(-2), abs=1e-6)


def test_nlpo_that_allows_everything_is_ppo() -> None:
    one, other = bandit(1.0), bandit(1.0)
    for _ in range(5):
        slopes = []
        for problem, loss in ((one, ppo(one)), (other, nlpo(other, 1.0))):
            (slope,) = torch.autograd.grad(loss, problem.policy.logits)
            slopes.append(slope)
            with torch.no_grad():
                problem.policy.logits -= slope
        assert torch.allclose(slopes[0], slopes[1], atol=1e-7, rtol=0)


def test_nlpo_finds_the_tilt_among_what_is_allowed() -> None:
    """p = .85 of (.4, .3, .2, .1) allows three; the fourth keeps no place in what is drawn."""
    problem = descend(bandit(1.0), lambda given: nlpo(given, 0.85))
    found = masked(problem, 0.85).exp().squeeze(1)
    tilt = exact_tilt(1.0) * torch.tensor([1, 1, 1, 0])
    assert found[3] == 0 and distance(found, tilt / tilt.sum()) < 1e-6


def natural_step(problem: Problem, kl_limit: float) -> int:
    """One TRPO step on the expected surrogate; the tries its line search needed, −1: given up."""
    logits, start = problem.policy.logits, problem.policy.logits.detach().clone()
    old_states, old = problem.logits().detach().clone(), problem.logprobs().detach()
    weights = old.sum(-1).exp()
    advantages = problem.weighted_advantages(old, weights)

    def value() -> torch.Tensor:
        return surrogate(
            logprobs_BT=problem.logprobs(),
            old_logprobs_BT=old,
            advantages_BT=advantages,
            action_mask_BT=problem.mask_NT,
            denominator=1.0,
        )

    def kl() -> torch.Tensor:
        """Mean over a sequence's tokens, each sequence by its probability."""
        return sum(  # type: ignore[return-value]
            weight
            * mean_kl(
                old_logits_BTV=old_states[[row]],
                logits_BTV=problem.logits()[[row]],
                action_mask_BT=problem.mask_NT[[row]],
                temperature=1.0,
                denominator=problem.sequences.shape[1],
            )
            for row, weight in enumerate(weights)
        )

    def product(vector: torch.Tensor) -> torch.Tensor:
        (slope,) = torch.autograd.grad(kl(), logits, create_graph=True)
        return torch.autograd.grad((slope.reshape(-1) * vector).sum(), logits)[0].reshape(-1)

    before = float(value())
    (gradient,) = torch.autograd.grad(value(), logits)
    direction = conjugate_gradient(
        product=product, gradient_N=gradient.reshape(-1), iterations=10, damping=0.0
    )
    length = step_length(direction_N=direction, curved_N=product(direction), kl_limit=kl_limit)
    for tries in range(10):
        with torch.no_grad():
            logits.copy_(start + (direction * length * 0.8**tries).view_as(start))
            if float(kl()) <= kl_limit and float(value()) > before:
                return tries
    with torch.no_grad():
        logits.copy_(start)
    return -1


def test_trpo_s_first_step_is_shortened_once() -> None:
    """Its KL would be .010268 > δ = .01; .8 of the step fits: π ∝ π_ref e^{.8 · .141421 A}."""
    problem = bandit(1.0)
    assert natural_step(problem, 0.01) == 1
    moved = REFERENCE * (0.8 * 0.02**0.5 * SCORES).exp()
    found = problem.policy.logits.softmax(-1).detach()
    assert distance(found, moved / moved.sum()) < 1e-9


@pytest.mark.parametrize("problem", [bandit(1.0), bandit(2.0), two_tokens()])
def test_trpo_with_a_region_that_shrinks(problem: Problem) -> None:
    for step in range(160):
        natural_step(problem, 0.02 * 0.84**step)
    found = problem.policy.logits.softmax(-1).detach()
    if found.ndim == 1:
        assert distance(found, exact_tilt(problem.beta)) < 1e-6
    else:
        assert found[:, 1].tolist() == pytest.approx([1 / (1 + math.exp(-1))] * 3, abs=1e-6)
