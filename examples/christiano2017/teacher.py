"""Clips, questions about pairs of them, and a teacher who answers."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from examples.christiano2017.pendulum import EPISODE, Rollout


@dataclass(frozen=True)
class Clips:
    """N clips of T steps. Only a synthetic teacher looks at the true returns."""

    features_NTF: torch.Tensor
    true_returns_N: torch.Tensor

    def __len__(self) -> int:
        return len(self.features_NTF)

    def take(self, places: torch.Tensor) -> "Clips":
        return Clips(self.features_NTF[places], self.true_returns_N[places])


@dataclass(frozen=True)
class Comparisons:
    """N answered questions. μ is 1 for the first clip, 0 for the second, .5 for equally good."""

    first_NTF: torch.Tensor
    second_NTF: torch.Tensor
    preferences_N: torch.Tensor

    def __len__(self) -> int:
        return len(self.preferences_N)

    def followed_by(self, more: "Comparisons") -> "Comparisons":
        return Comparisons(
            first_NTF=torch.cat([self.first_NTF, more.first_NTF]),
            second_NTF=torch.cat([self.second_NTF, more.second_NTF]),
            preferences_N=torch.cat([self.preferences_N, more.preferences_N]),
        )


class Teacher(Protocol):
    """Prefers one of two clips: μ for each pair, NaN for "cannot tell"."""

    def __call__(self, first: Clips, second: Clips) -> torch.Tensor: ...


@dataclass(frozen=True)
class SyntheticTeacher:
    """Prefers the clip with the larger true return; equal within ``tie_width`` is .5."""

    tie_width: float = 0.0
    mistakes: float = 0.0
    """The share of answers given the wrong way round."""

    def __call__(self, first: Clips, second: Clips) -> torch.Tensor:
        difference_N = first.true_returns_N - second.true_returns_N
        right_N = torch.where(
            difference_N.abs() <= self.tie_width, 0.5, (difference_N > 0).to(torch.float32)
        )
        wrong_N = torch.rand(len(right_N)) < self.mistakes
        return torch.where(wrong_N, 1 - right_N, right_N)


def clips_of(rollout: Rollout, length: int) -> Clips:
    """Every episode cut into clips of ``length`` steps, a remainder dropped."""
    kept = EPISODE // length * length
    features_BTF = rollout.features_BTF[:, :kept]
    return Clips(
        features_NTF=features_BTF.reshape(-1, length, features_BTF.shape[-1]),
        true_returns_N=rollout.true_rewards_BT[:, :kept].reshape(-1, length).sum(-1),
    )


def random_pairs(clips: int, count: int, rng: np.random.Generator) -> torch.Tensor:
    """``count`` different pairs of different clips, [count, 2]."""
    first, second = np.triu_indices(clips, k=1)
    chosen = rng.choice(len(first), min(count, len(first)), replace=False)
    turned = rng.random(len(chosen)) < 0.5
    pairs = np.stack([first[chosen], second[chosen]], axis=1)
    return torch.as_tensor(np.where(turned[:, None], pairs[:, ::-1], pairs))


def ask(teacher: Teacher, clips: Clips, pairs_N2: torch.Tensor) -> Comparisons:
    """The teacher's answers; pairs they cannot tell apart are left out."""
    first, second = clips.take(pairs_N2[:, 0]), clips.take(pairs_N2[:, 1])
    preferences_N = teacher(first, second)
    told_N = ~preferences_N.isnan()
    return Comparisons(
        first_NTF=first.features_NTF[told_N],
        second_NTF=second.features_NTF[told_N],
        preferences_N=preferences_N[told_N],
    )


def labels_due(total: int, first_share: float, progress: float) -> int:
    """How many labels to have by now: n (p + (1 − p)(1 − .01^{t/T})), for t/T from 0 to 1.

    A share p before training, then fewer and fewer: early labels teach most, and late ones follow
    the policy to where it has not been (the schedule of the rl-teacher code).
    """
    return round(total * (first_share + (1 - first_share) * (1 - 0.01**progress)))
