"""Small problems whose optimum is known, in float64, and the gradients methods have on them.

The estimator is the same for every method: the expected stop-gradient estimator. Each sequence's
loss is that of the formula in ``maths``, its rewards (score minus β k1) are constants, and it
counts by its probability under the policy that drew it, which is the policy as it is. It is not
the gradient of an enumerated KL, whose own derivative a sampled method never sees.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch

from preftune.maths.advantages import generalised_advantages, token_rewards
from preftune.maths.kl import k1

REFERENCE = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
SCORES = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
TILTED = {
    0.5: (0.007424, 0.041142, 0.202669, 0.748765),
    1.0: (0.085073, 0.173439, 0.314304, 0.427184),
    2.0: (0.212039, 0.262195, 0.288191, 0.237574),
}


class Bandit(torch.nn.Module):
    """One softmax over four actions, started at the reference."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(REFERENCE.log().clone())

    def states(self, sequences: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(*sequences.shape, 4)


class TwoTokens(torch.nn.Module):
    """A softmax for the first token and one for the second after each first."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.zeros(3, 2, dtype=torch.float64))

    def states(self, sequences: torch.Tensor) -> torch.Tensor:
        return torch.stack(
            [self.logits[0].expand(len(sequences), 2), self.logits[1 + sequences[:, 0]]], 1
        )


@dataclass
class Problem:
    """All sequences [N, T] of a policy, their reference log-probabilities and scores."""

    policy: Bandit | TwoTokens
    sequences: torch.Tensor
    reference_NT: torch.Tensor
    scores_N: torch.Tensor
    beta: float

    @property
    def mask_NT(self) -> torch.Tensor:
        return torch.ones_like(self.sequences, dtype=torch.bool)

    def logits(self) -> torch.Tensor:
        return self.policy.states(self.sequences)

    def logprobs(self, logits: torch.Tensor | None = None) -> torch.Tensor:
        table = (self.logits() if logits is None else logits).log_softmax(-1)
        return table.gather(-1, self.sequences.unsqueeze(-1)).squeeze(-1)

    def weighted_advantages(
        self, raw_NT: torch.Tensor, probabilities_N: torch.Tensor
    ) -> torch.Tensor:
        """λ = 1 and the exact mean as the value of the start, times the sequence's probability."""
        rewards = token_rewards(
            scores_B=self.scores_N,
            kl_BT=k1(logprobs_BT=raw_NT, reference_logprobs_BT=self.reference_NT),
            action_mask_BT=self.mask_NT,
            kl_coefficient=self.beta,
        )
        values = torch.zeros_like(rewards)
        values[:, 0] = (probabilities_N * rewards.sum(-1)).sum()
        advantages = generalised_advantages(
            rewards_BT=rewards,
            values_BT=values,
            action_mask_BT=self.mask_NT,
            gamma=1.0,
            lam=1.0,
        ).advantages_BT
        # The value after the first token is taken as 0: a baseline of its own, and no bias.
        return advantages * probabilities_N.unsqueeze(-1)


def bandit(beta: float) -> Problem:
    actions = torch.arange(4).unsqueeze(1)
    return Problem(Bandit(), actions, REFERENCE.log().unsqueeze(1), SCORES, beta)


def two_tokens() -> Problem:
    """Vocabulary {0, 1}, uniform reference, r = number of ones, β = 1: p(1) = σ(1) everywhere."""
    sequences = torch.tensor(list(itertools.product(range(2), range(2))))
    uniform = torch.full((4, 2), 0.5, dtype=torch.float64).log()
    return Problem(TwoTokens(), sequences, uniform, sequences.sum(-1).double(), 1.0)


def descend(
    problem: Problem, loss_of: Callable[[Problem], torch.Tensor], steps: int = 1500
) -> Problem:
    """Adam with a learning rate that goes to 0."""
    optimizer = torch.optim.Adam(problem.policy.parameters(), lr=0.1, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(problem).backward()
        optimizer.step()
        schedule.step()
    return problem


def exact_tilt(beta: float) -> torch.Tensor:
    tilted = REFERENCE * (SCORES / beta).exp()
    return tilted / tilted.sum()


def distance(found: torch.Tensor, target: torch.Tensor) -> float:
    """Total variation."""
    return 0.5 * float((found.detach() - target).abs().sum())
