"""The ensemble of reward predictors, fitted to comparisons of clips."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from examples.christiano2017.teacher import Comparisons
from preftune.maths.segments import (
    ensemble_rewards,
    member_normalisation,
    segment_losses,
    segment_preferences,
    segment_returns,
)


@dataclass(frozen=True)
class PredictorSettings:
    """Christiano et al. 2017, §2.2.3 and appendix A, where they give a number."""

    members: int = 3
    hidden: int = 64
    lapse: float = 0.1
    learning_rate: float = 1e-3
    batch: int = 64
    """Comparisons a step."""
    l2: float = 1e-4
    """Where the penalty starts; see :meth:`Ensemble.fit`."""
    overfit_low: float = 1.1
    overfit_high: float = 1.5


class Ensemble(nn.Module):
    """M small networks with weights of their own, run side by side as one batched product.

    Each comparison goes Poisson(1) times into each member's sample: a bootstrap that can grow. With
    probability 1/e that is zero times, and the comparison is one of that member's held-out ones.
    """

    def __init__(self, settings: PredictorSettings, features: int) -> None:
        super().__init__()
        self.settings = settings
        sizes = [features, settings.hidden, settings.hidden, 1]
        self.weights = nn.ParameterList(
            torch.randn(settings.members, before, after) / before**0.5
            for before, after in zip(sizes, sizes[1:], strict=False)
        )
        self.biases = nn.ParameterList(
            torch.zeros(settings.members, 1, after) for after in sizes[1:]
        )
        self.l2_M = torch.full((settings.members,), settings.l2)
        self.copies_MN = torch.zeros(settings.members, 0)
        self.gains_M = torch.ones(settings.members)
        self.biases_M = torch.zeros(settings.members)
        self._optimizer = torch.optim.Adam(self.parameters(), lr=settings.learning_rate)

    def raw(self, features_NTF: torch.Tensor) -> torch.Tensor:
        """Each member's reward of each step, not normalised, [M, N, T]."""
        clips, steps = features_NTF.shape[:2]
        x = features_NTF.flatten(0, 1).expand(self.settings.members, -1, -1)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            x = F.leaky_relu(x, 0.01) if layer < len(self.weights) - 1 else x
        return x.view(self.settings.members, clips, steps)

    @torch.no_grad()
    def rewards(self, features_BTF: torch.Tensor) -> torch.Tensor:
        """The mean of the normalised members, [B, T]."""
        raw_MBT = self.raw(features_BTF)
        rewards_N = ensemble_rewards(
            raw_rewards_MN=raw_MBT.flatten(1), gains_M=self.gains_M, biases_M=self.biases_M
        )
        return rewards_N.view(features_BTF.shape[:2])

    @torch.no_grad()
    def preferences(self, first_NTF: torch.Tensor, second_NTF: torch.Tensor) -> torch.Tensor:
        """Each member's probability that the first clip is preferred, [M, N]."""
        return segment_preferences(
            first_returns_MN=self._returns(first_NTF),
            second_returns_MN=self._returns(second_NTF),
            lapse=self.settings.lapse,
        )

    def fit(self, known: Comparisons, steps: int) -> "Fit":
        """Adam on minibatches of what is known so far, then the penalty and the scale.

        Each member's L2 penalty is doubled when its held-out loss is more than 1.5 times its
        training loss and halved when it is less than 1.1 times (§2.2.3).
        """
        new = len(known) - self.copies_MN.shape[1]
        drawn_MN = torch.poisson(torch.ones(self.settings.members, new))
        self.copies_MN = torch.cat([self.copies_MN, drawn_MN], dim=1)
        for _ in range(steps):
            part = torch.randint(len(known), (min(self.settings.batch, len(known)),))
            loss_M = self._losses(known, part, self.copies_MN[:, part])
            self._optimizer.zero_grad()
            (loss_M + self.l2_M * self._squares()).sum().backward()
            self._optimizer.step()
        return self._after(known)

    @torch.no_grad()
    def _after(self, known: Comparisons) -> "Fit":
        everything = torch.arange(len(known))
        train_M = self._losses(known, everything, self.copies_MN)
        held_out_M = self._losses(known, everything, (self.copies_MN == 0).float())
        ratio_M = held_out_M / train_M.clamp(min=1e-8)
        self.l2_M = torch.where(ratio_M > self.settings.overfit_high, self.l2_M * 2, self.l2_M)
        self.l2_M = torch.where(ratio_M < self.settings.overfit_low, self.l2_M / 2, self.l2_M)
        self.l2_M = self.l2_M.clamp(1e-6, 1e-2)
        steps_NTF = torch.cat([known.first_NTF, known.second_NTF])
        self.gains_M, self.biases_M = member_normalisation(
            raw_rewards_MN=self.raw(steps_NTF).flatten(1), deviation=1.0
        )
        return Fit(float(train_M.mean()), float(held_out_M.mean()), float(self.l2_M.mean()))

    def _losses(
        self, known: Comparisons, part: torch.Tensor, weights_MN: torch.Tensor
    ) -> torch.Tensor:
        return segment_losses(
            first_returns_MN=self._returns(known.first_NTF[part]),
            second_returns_MN=self._returns(known.second_NTF[part]),
            preferences_N=known.preferences_N[part],
            weights_MN=weights_MN,
            lapse=self.settings.lapse,
            denominators_M=weights_MN.sum(-1).clamp(min=1),
        )

    def _returns(self, features_NTF: torch.Tensor) -> torch.Tensor:
        return segment_returns(
            rewards_MNT=self.raw(features_NTF),
            step_mask_NT=torch.ones(features_NTF.shape[:2], dtype=torch.bool),
        )

    def _squares(self) -> torch.Tensor:
        return torch.stack([weight.square().sum((1, 2)) for weight in self.weights]).sum(0)


@dataclass(frozen=True)
class Fit:
    """Losses in nats a comparison and the penalty, means over the members."""

    train_loss: float
    held_out_loss: float
    l2: float
