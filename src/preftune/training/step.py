"""One optimizer step: micro-batches through an objective, gradients clipped, weights moved.

Algorithms call this; it knows nothing of them. An objective's loss is already divided by what
the whole step counts (tokens, pairs), so that the split into micro-batches changes nothing.
With several workers each micro-batch is split once more, for them to compute side by side.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import nn

from preftune.artifacts import derive_seed, failpoint
from preftune.recipe import Optimizer
from preftune.records import RunFailed
from preftune.training.owned import added_to, owned_parameters
from preftune.training.schedule import learning_rate
from preftune.training.workers import dealt, side_by_side, workers


class Loss(NamedTuple):
    """A micro-batch's share of the step's loss, and sums worth recording (detached scalars)."""

    total: torch.Tensor
    sums: dict[str, torch.Tensor]


Seen = tuple[torch.Tensor, dict[str, torch.Tensor]]
"""A loss and its sums without their graph."""

Besides = Callable[[int], Iterable[Loss]]
"""Further losses of optimizer step ``at``, each counted whole; made one after the other."""


class StepReport(NamedTuple):
    """What one step saw: the loss, the sums over its micro-batches, norms and rates by network.

    ``besides`` are the sums of its further losses.
    """

    loss: float
    sums: dict[str, float]
    grad_norms: dict[str, float]
    learning_rates: dict[str, float]
    besides: dict[str, float]


class Training:
    """Networks with an optimizer each, and the step that moves them.

    A network without settings has no optimizer: its story moves it, checkpoints hold it. The
    losses of ``besides`` join every step in which all networks move.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        settings: Mapping[str, Optimizer],
        total_steps: int,
        seed: int,
        besides: Besides = lambda at: (),
    ) -> None:
        self.networks = dict(networks)
        self.settings = dict(settings)
        self.total_steps = total_steps
        self.seed = seed
        self.besides = besides
        self.optimizers = {
            name: _optimizer(networks[name], settings) for name, settings in self.settings.items()
        }
        every = [p for network in networks.values() for _, p in owned_parameters(network)]
        self._weights = [weight for weight in dict.fromkeys(every) if weight.requires_grad]
        self._in_turn = False

    def step(
        self,
        micro_batches: Sequence[list[int]],
        objective: Callable[[list[int]], Loss],
        *,
        at: int,
        only: Sequence[str] | None = None,
        together: int = 1,
    ) -> StepReport:
        """Moves the networks (``only`` some of them) once. ``at`` counts steps from 0.

        ``together`` neighbours of a micro-batch stay neighbours where workers share it.

        Raises :class:`RunFailed` when the loss or a gradient is no finite number; the weights
        are then untouched by this step.
        """
        moving = list(self.optimizers) if only is None else list(only)
        losses = self._losses(micro_batches, objective, at, together)
        others = [self._backward(part) for part in (self.besides(at) if only is None else ())]
        loss = float(torch.stack([total for total, _ in losses + others]).sum())
        norms = {name: self._clip(name) for name in moving}
        if not (math.isfinite(loss) and all(map(math.isfinite, norms.values()))):
            self._forget_gradients()
            raise RunFailed(
                f"The loss or a gradient of optimizer step {at + 1} is not a finite number.",
                remedy="Lower the learning rate; the last good checkpoint is kept.",
            )
        rates = {name: self._move(name, at) for name in moving}
        self._forget_gradients()
        failpoint("step.after_update")
        sums, besides = (_total([sums for _, sums in parts]) for parts in (losses, others))
        return StepReport(loss, sums, norms, rates, besides)

    def _losses(
        self,
        micro_batches: Sequence[list[int]],
        objective: Callable[[list[int]], Loss],
        at: int,
        together: int,
    ) -> list[Seen]:
        """The micro-batches' losses, their gradients added to the weights' in a fixed order."""
        seed, count = derive_seed(self.seed, "step", at), workers()
        _reseed(seed)
        if count > 1 and not self._in_turn:
            untouched = torch.default_generator.get_state()
            parts = [part for batch in micro_batches for part in dealt(batch, count, together)]
            found = side_by_side(lambda part: self._gradients(objective(part)), parts)
            if torch.equal(untouched, torch.default_generator.get_state()):
                self._add([gradients for _, gradients in found])
                return [loss for loss, _ in found]
            # Dropout: random numbers must be drawn in one order, so nothing is side by side.
            self._in_turn = True
            _reseed(seed)
        return [self._backward(objective(micro_batch)) for micro_batch in micro_batches]

    def _gradients(self, loss: Loss) -> tuple[Seen, tuple[torch.Tensor | None, ...]]:
        return _detached(loss), torch.autograd.grad(loss.total, self._weights, allow_unused=True)

    def _add(self, parts: Sequence[Sequence[torch.Tensor | None]]) -> None:
        for weight, *gradients in zip(self._weights, *parts, strict=True):
            known = [gradient for gradient in gradients if gradient is not None]
            if known:
                weight.grad = reduce(torch.add, known) if len(known) > 1 else known[0].clone()

    def _backward(self, loss: Loss) -> Seen:
        with added_to(self._weights):
            loss.total.backward()
        return _detached(loss)

    def _forget_gradients(self) -> None:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def _clip(self, name: str) -> float:
        owned = owned_parameters(self.networks[name])
        parameters = [parameter for _, parameter in owned if parameter.grad is not None]
        limit = self.settings[name].max_grad_norm
        return float(nn.utils.clip_grad_norm_(parameters, limit))

    def _move(self, name: str, at: int) -> float:
        rate = learning_rate(self.settings[name], at, self.total_steps)
        for group in self.optimizers[name].param_groups:
            group["lr"] = rate
        self.optimizers[name].step()
        return rate


def _detached(loss: Loss) -> Seen:
    return loss.total.detach(), {name: part.detach() for name, part in loss.sums.items()}


def _reseed(seed: int) -> None:
    """Seeds the generators in use. ``torch.manual_seed`` also queues a call, with the whole stack
    as text, for every kind of device that is not there: slow, and never freed."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


def _optimizer(network: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    """AdamW with weight decay on matrices only, or RMSprop."""
    trainable = [p for _, p in owned_parameters(network) if p.requires_grad]
    if settings.kind == "rmsprop":
        return torch.optim.RMSprop(
            trainable, lr=settings.learning_rate, alpha=settings.alpha, eps=settings.epsilon
        )
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.epsilon,
        fused=True,
    )


def _total(parts: Sequence[dict[str, torch.Tensor]]) -> dict[str, float]:
    """Sums by name, fetched from the device at once; ``*_max`` names take the maximum."""
    names = list(parts[0]) if parts else []
    if not names:
        return {}
    table = torch.stack([torch.stack([part[name].float() for name in names]) for part in parts])
    sums, peaks = table.double().sum(0).tolist(), table.max(0).values.tolist()
    return {
        name: peak if name.endswith("_max") else total
        for name, total, peak in zip(names, sums, peaks, strict=True)
    }
