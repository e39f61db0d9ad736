"""Critic-free methods at their own optima, by exact expected gradients in float64.

Four actions, π_ref = (.4, .3, .2, .1), scores 0 … 3, β = 1; and two tokens with a score at the
end. What is followed is the expectation of the stop-gradient estimator each method samples:
advantages, rewards and weights are constants, only log-probabilities carry gradient. It is not
the gradient of an enumerated objective. Groups are enumerated with their probabilities.
"""

import itertools
import math
from collections.abc import Callable

import pytest
import torch

from preftune.maths.advantages import token_rewards
from preftune.maths.baselines import (
    above_group_mean,
    above_the_others,
    batch_scaled,
    group_scaled,
    returns_to_go,
    sequence_rewards,
)
from preftune.maths.kl import k1
from preftune.maths.losses.dpo import dpo_loss, log_ratio_margins
from preftune.maths.losses.grpo import (
    k1_losses,
    k2_losses,
    k3_losses,
    surrogate_losses,
    weighted_k3_losses,
)
from preftune.maths.losses.gspo import gspo_losses
from preftune.maths.losses.ppo import policy_loss
from preftune.maths.losses.reinforce import reinforce_loss
from preftune.maths.losses.rloo import rloo_loss

REFERENCE = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
SCORES = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
ACTIONS = torch.arange(4)
MASK = torch.ones(4, 1, dtype=torch.bool)

TILT = (0.085073, 0.173439, 0.314304, 0.427184)
K3 = (0.125921, 0.137830, 0.169982, 0.566267)
STD_K2 = (0.075509, 0.162894, 0.312362, 0.449235)
STD_K3 = (0.137666, 0.150000, 0.182746, 0.529588)

Loss = Callable[[torch.Tensor], torch.Tensor]
"""The expected loss, whose gradient is followed, of the four log-probabilities [4]."""


def settle(loss_of: Loss, steps: int = 500, rate: float = 2.0, decay: float = 1.0) -> torch.Tensor:
    """The policy after gradient descent on its logits from the reference."""
    logits = REFERENCE.log().clone().requires_grad_()
    for step in range(steps):
        (slope,) = torch.autograd.grad(loss_of(logits.log_softmax(-1)), logits)
        with torch.no_grad():
            logits -= rate * decay**step * slope
    return logits.softmax(-1).detach()


def distance(policy: torch.Tensor, target: object) -> float:
    """Total variation; targets are printed to six digits, so compare after normalising."""
    other = torch.as_tensor(target, dtype=torch.float64)
    return 0.5 * float((policy - other / other.sum()).abs().sum())


def tilted(rewards: torch.Tensor) -> torch.Tensor:
    """π_ref exp(rewards) / Z."""
    return torch.softmax(REFERENCE.log() + rewards, -1)


def self_consistent(share: float) -> torch.Tensor:
    """π ∝ π_ref exp(share · r/σ) with σ the std of r under π."""
    policy = REFERENCE
    for _ in range(500):
        mean = (policy * SCORES).sum()
        spread = (policy * (SCORES - mean).square()).sum().sqrt()
        policy = 0.5 * policy + 0.5 * tilted(share * SCORES / spread)
    return policy


def mean_and_std(policy: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean = (policy * values).sum()
    return mean, (policy * (values - mean).square()).sum().sqrt()


def groups_of(count: int) -> torch.Tensor:
    """Every group of this many actions, [4^G, G]."""
    return torch.tensor(list(itertools.product(range(4), repeat=count)))


def penalised(logprobs: torch.Tensor) -> torch.Tensor:
    """r − β k1 at each action, a constant."""
    kl_BT = k1(
        logprobs_BT=logprobs.unsqueeze(-1), reference_logprobs_BT=REFERENCE.log().unsqueeze(-1)
    )
    return sequence_rewards(scores_B=SCORES, kl_BT=kl_BT, action_mask_BT=MASK, kl_coefficient=1.0)


def test_the_targets() -> None:
    assert distance(tilted(SCORES), TILT) < 1e-6
    assert distance(self_consistent(1.0), STD_K2) < 1e-6
    assert mean_and_std(self_consistent(1.0), SCORES)[1].item() == pytest.approx(0.946495, abs=1e-6)
    # k3: π = β π_ref / (λ − r), λ = 3.176595
    assert distance(REFERENCE / (3.176595 - SCORES), K3) < 1e-6


# KL in the reward: the exponential tilt.


@pytest.mark.parametrize("baseline", ["none", "mean"])
def test_reinforce(baseline: str) -> None:
    """E[−(r − β k1 − b) ∇log π]: b moves nothing."""

    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        policy, rewards = logprobs.detach().exp(), penalised(logprobs)
        b = (policy * rewards).sum() if baseline == "mean" else 0.0
        return reinforce_loss(
            logprobs_BT=logprobs.unsqueeze(-1),
            advantages_BT=(policy * (rewards - b)).unsqueeze(-1),
            action_mask_BT=MASK,
            denominator=1,
        )

    assert distance(settle(loss), tilted(SCORES)) < 1e-6


@pytest.mark.parametrize("count", [2, 3, 4])
def test_rloo_at_any_group_size(count: int) -> None:
    """The mean over all groups of G, each response against the others."""
    groups = groups_of(count)
    flat = groups.flatten()

    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        chance = logprobs.detach()[groups].sum(-1, keepdim=True).exp()
        advantages = chance * above_the_others(rewards_NG=penalised(logprobs)[groups])
        chosen = logprobs[flat].unsqueeze(-1)
        return rloo_loss(
            logprobs_BT=chosen,
            old_logprobs_BT=chosen.detach(),
            advantages_B=advantages.flatten(),
            action_mask_BT=torch.ones_like(chosen, dtype=torch.bool),
            cliprange=0.2,
            denominator=count,
        ).loss

    assert distance(settle(loss), tilted(SCORES)) < 1e-6


def test_reinforce_plus_plus_without_baseline() -> None:
    """Normalised by the batch's own std (here the exact one), which vanishes at the optimum: the
    learning rate goes to 0."""

    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        policy, rewards = logprobs.detach().exp(), penalised(logprobs)
        mean, std = mean_and_std(policy, rewards)
        advantages = (rewards - mean) / (std.square() + 1e-16).sqrt()
        chosen = logprobs.unsqueeze(-1)
        return policy_loss(
            logprobs_BT=chosen,
            old_logprobs_BT=chosen.detach(),
            advantages_BT=(policy * advantages).unsqueeze(-1),
            action_mask_BT=MASK,
            cliprange=0.2,
            denominator=1,
        ).loss

    assert distance(settle(loss, steps=1500, rate=1.0, decay=0.988), tilted(SCORES)) < 1e-6


# KL in the loss.


def expected(
    logprobs: torch.Tensor,
    advantages: torch.Tensor,
    kl_losses: Callable[..., torch.Tensor] | None,
    surrogate: Callable[..., object] = surrogate_losses,
) -> torch.Tensor:
    """E over actions of surrogate + β KL, the advantages [4] constants."""
    chosen = logprobs.unsqueeze(-1)
    losses_BT = surrogate(
        logprobs_BT=chosen,
        old_logprobs_BT=chosen.detach(),
        advantages_B=advantages.detach(),
        action_mask_BT=MASK,
        cliprange_low=0.2,
        cliprange_high=0.28,
    ).losses_BT  # type: ignore[attr-defined]
    if kl_losses is not None:
        losses_BT = losses_BT + kl_losses(
            logprobs_BT=chosen,
            reference_logprobs_BT=REFERENCE.log().unsqueeze(-1),
            action_mask_BT=MASK,
        )
    return (logprobs.detach().exp() * losses_BT.squeeze(-1)).sum()


def centred(logprobs: torch.Tensor) -> torch.Tensor:
    """r − E r: the advantage of an unboundedly large group."""
    return SCORES - mean_and_std(logprobs.detach().exp(), SCORES)[0]


def scaled(logprobs: torch.Tensor) -> torch.Tensor:
    """(r − E r)/σ: the same over the group's spread."""
    return centred(logprobs) / mean_and_std(logprobs.detach().exp(), SCORES)[1]


def on_policy_k3(**tables: torch.Tensor) -> torch.Tensor:
    """k3 times the ratio to the policy itself, which is 1 and has a gradient."""
    return weighted_k3_losses(old_logprobs_BT=tables["logprobs_BT"].detach(), **tables)


@pytest.mark.parametrize("surrogate", [surrogate_losses, gspo_losses])
@pytest.mark.parametrize(
    ("advantages", "kl_losses", "target"),
    [
        (centred, k2_losses, TILT),
        (centred, k3_losses, K3),
        (centred, on_policy_k3, TILT),
        (scaled, k2_losses, STD_K2),
        (scaled, k3_losses, STD_K3),
    ],
    ids=["k2", "k3", "k3-weighted", "std-k2", "std-k3"],
)
def test_kl_in_the_loss(
    advantages: Callable[[torch.Tensor], torch.Tensor],
    kl_losses: Callable[..., torch.Tensor],
    target: tuple[float, ...],
    surrogate: Callable[..., object],
) -> None:
    """Large groups. One-token responses, so GSPO must end where GRPO does. Targets are known to
    six digits."""
    found = settle(lambda lp: expected(lp, advantages(lp), kl_losses, surrogate))
    assert distance(found, target) < 1.5e-6


def test_k1_in_the_loss_holds_nothing() -> None:
    """As without any KL: the action with the highest score takes all."""
    with_k1 = settle(lambda lp: expected(lp, centred(lp), k1_losses), steps=1000)
    without = settle(lambda lp: expected(lp, centred(lp), None), steps=1000)
    assert with_k1[3] > 0.99
    assert distance(with_k1, without) < 1e-9


@pytest.mark.parametrize("count", [2, 3, 4])
def test_dr_grpo_at_its_group_size(count: int) -> None:
    """The mean has the response in it, so advantages are (1 − 1/G) of themselves: the tilt of
    r (1 − 1/G)."""
    groups = groups_of(count)
    above = above_group_mean(rewards_NG=SCORES[groups])

    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        return expected(logprobs, per_action(logprobs, groups, above), k2_losses)

    assert distance(settle(loss), tilted(SCORES * (1 - 1 / count))) < 1e-6


def per_action(
    logprobs: torch.Tensor, groups: torch.Tensor, advantages: torch.Tensor
) -> torch.Tensor:
    """E of a response's advantage given its action, [4], over all groups."""
    policy = logprobs.detach().exp()
    chance = policy[groups].prod(-1, keepdim=True)
    weights = (chance * advantages / groups.shape[1]).flatten()
    return torch.zeros_like(policy).index_add(0, groups.flatten(), weights) / policy


@pytest.mark.parametrize("count", [2, 3])
def test_reinforce_plus_plus_with_baseline(count: int) -> None:
    """Group mean off, one std for the batch: √(1 − 1/G) of exp(r/(βσ)); :func:`test_kl_in_the_loss`
    has the limit of large groups."""
    groups = groups_of(count)
    above = above_group_mean(rewards_NG=SCORES[groups])

    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        chance = logprobs.detach()[groups].sum(-1, keepdim=True).exp()
        spread = (chance * above.square() / count).sum().sqrt()
        return expected(logprobs, per_action(logprobs, groups, above / spread), k2_losses)

    found = settle(loss)
    assert distance(found, self_consistent(math.sqrt(1 - 1 / count))) < 1e-6


def test_one_std_for_a_batch_that_holds_every_group_by_its_share() -> None:
    """What :func:`test_reinforce_plus_plus_with_baseline` divides by is what the formula does."""
    groups = groups_of(2)  # 16 groups, equally often under the uniform policy
    above = above_group_mean(rewards_NG=SCORES[groups])
    spread = above.square().mean().sqrt()
    assert torch.allclose(batch_scaled(rewards_NG=SCORES[groups], epsilon=0.0), above / spread)


def compositions(count: int) -> torch.Tensor:
    """How often each of four actions is in a group of ``count``: every possibility, [C, 4]."""
    return torch.tensor(
        [
            (a, b, c, count - a - b - c)
            for a in range(count + 1)
            for b in range(count + 1 - a)
            for c in range(count + 1 - a - b)
        ]
    )


def std_scaled_at(count: int, kl_losses: Callable[..., torch.Tensor]) -> torch.Tensor:
    """GRPO's own advantages over every group of this size, each with its probability."""
    counts = compositions(count)
    order = counts.new_tensor(ACTIONS.tolist()).repeat(len(counts), 1)
    groups = torch.repeat_interleave(order.flatten(), counts.flatten()).view(len(counts), count)
    advantages = group_scaled(rewards_NG=SCORES[groups])
    last = counts.cumsum(-1) - 1
    of_action = torch.where(counts > 0, advantages.gather(1, last.clamp(min=0)), 0.0)
    ways = math.lgamma(count + 1) - torch.lgamma(counts.double() + 1).sum(-1)
    share = counts * of_action / count

    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        chance = (ways + (counts * logprobs.detach()).sum(-1)).exp()
        per = (chance.unsqueeze(-1) * share).sum(0) / logprobs.detach().exp()
        return expected(logprobs, per, kl_losses)

    return settle(loss, steps=150)


def test_std_scaled_groups_near_their_limit() -> None:
    """At G = 64 within .02 of the limit's target. What is left falls as 1/G, so going on from
    G = 32 and 64 leads to the target."""
    for kl_losses, target in ((k2_losses, STD_K2), (k3_losses, STD_K3)):
        half, whole = (std_scaled_at(count, kl_losses) for count in (32, 64))
        assert 0.4 < distance(whole, target) / distance(half, target) < 0.6
        assert distance(whole, target) < 0.02
        assert distance(2 * whole - half, target) < 0.003


def test_dapo_without_kl_goes_to_the_best() -> None:
    """Std-scaled groups of four, clip-higher, nothing that holds it."""
    groups = groups_of(4)
    advantages = group_scaled(rewards_NG=SCORES[groups])
    found = settle(lambda lp: expected(lp, per_action(lp, groups, advantages), None), steps=1500)
    assert found[3] > 0.99


def test_online_dpo() -> None:
    """Pairs of the policy's own actions, labels σ(r_a − r_b), weights constants: the tilt."""
    pairs = groups_of(2)
    labels = (SCORES[pairs[:, 0]] - SCORES[pairs[:, 1]]).sigmoid()

    def loss(logprobs: torch.Tensor) -> torch.Tensor:
        margins = log_ratio_margins(
            chosen_logprobs_B=logprobs[pairs[:, 0]],
            rejected_logprobs_B=logprobs[pairs[:, 1]],
            reference_chosen_logprobs_B=REFERENCE.log()[pairs[:, 0]],
            reference_rejected_logprobs_B=REFERENCE.log()[pairs[:, 1]],
        )
        return dpo_loss(
            margins_B=margins,
            probabilities_B=labels,
            weights_B=logprobs.detach()[pairs].sum(-1).exp(),
            beta=1.0,
            denominator=1.0,
        )

    assert distance(settle(loss, steps=800, rate=6.0), tilted(SCORES)) < 1e-6


# Two tokens of {0, 1}, uniform reference, r = number of ones at the end, β = 1: p(1) = σ(1).

SEQUENCES = torch.tensor(list(itertools.product(range(2), range(2))))
UNIFORM = torch.full((4, 2), 0.5, dtype=torch.float64).log()
BOTH = torch.ones(4, 2, dtype=torch.bool)


def settle_pair(
    loss_of: Loss, steps: int = 500, rate: float = 2.0, decay: float = 1.0
) -> list[float]:
    """p(1) first, after a 0 and after a 1. ``loss_of`` is given log-probabilities [4, 2]."""
    table = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    for step in range(steps):
        logprobs = table.log_softmax(-1)
        first, second = SEQUENCES[:, 0], SEQUENCES[:, 1]
        chosen = torch.stack([logprobs[0, first], logprobs[1 + first, second]], 1)
        (slope,) = torch.autograd.grad(loss_of(chosen), table)
        with torch.no_grad():
            table -= rate * decay**step * slope
    return table.softmax(-1)[:, 1].tolist()


def pair_rewards(chosen: torch.Tensor) -> torch.Tensor:
    kl_BT = k1(logprobs_BT=chosen.detach(), reference_logprobs_BT=UNIFORM)
    return sequence_rewards(
        scores_B=SEQUENCES.sum(-1).double(), kl_BT=kl_BT, action_mask_BT=BOTH, kl_coefficient=1.0
    )


def test_reinforce_on_two_tokens() -> None:
    def loss(chosen: torch.Tensor) -> torch.Tensor:
        chance = chosen.detach().sum(-1).exp()
        advantages = (chance * pair_rewards(chosen)).unsqueeze(-1).expand(4, 2)
        return reinforce_loss(
            logprobs_BT=chosen, advantages_BT=advantages, action_mask_BT=BOTH, denominator=1
        )

    assert settle_pair(loss) == pytest.approx([0.7310586] * 3, abs=1e-7)


def test_rloo_on_two_tokens() -> None:
    groups = groups_of(2)

    def loss(chosen: torch.Tensor) -> torch.Tensor:
        chance = chosen.detach().sum(-1)[groups].sum(-1, keepdim=True).exp()
        advantages = chance * above_the_others(rewards_NG=pair_rewards(chosen)[groups])
        flat = chosen[groups.flatten()]
        return rloo_loss(
            logprobs_BT=flat,
            old_logprobs_BT=flat.detach(),
            advantages_B=advantages.flatten(),
            action_mask_BT=torch.ones_like(flat, dtype=torch.bool),
            cliprange=0.2,
            denominator=2,
        ).loss

    assert settle_pair(loss) == pytest.approx([0.7310586] * 3, abs=1e-7)


def test_reinforce_plus_plus_on_two_tokens() -> None:
    """Returns to go, normalised over tokens; each token pays for its own KL and later ones'."""

    def loss(chosen: torch.Tensor) -> torch.Tensor:
        rewards_BT = token_rewards(
            scores_B=SEQUENCES.sum(-1).double(),
            kl_BT=k1(logprobs_BT=chosen.detach(), reference_logprobs_BT=UNIFORM),
            action_mask_BT=BOTH,
            kl_coefficient=1.0,
        )
        returns = returns_to_go(rewards_BT=rewards_BT, action_mask_BT=BOTH)
        chance = chosen.detach().sum(-1, keepdim=True).exp() / 2
        mean = (chance * returns).sum()
        std = (chance * (returns - mean).square()).sum().sqrt()
        return policy_loss(
            logprobs_BT=chosen,
            old_logprobs_BT=chosen.detach(),
            advantages_BT=2 * chance * (returns - mean) / std,
            action_mask_BT=BOTH,
            cliprange=0.2,
            denominator=1,
        ).loss

    assert settle_pair(loss, rate=1.0) == pytest.approx([0.7310586] * 3, abs=1e-7)
