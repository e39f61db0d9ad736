"""Guards inside the loop: what they say of an iteration, and the checkpoint to go back to."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from preftune.monitoring import metrics_row
from preftune.monitoring.guards import Verdict, sound, watch, worse
from preftune.recipe import OnPolicy
from preftune.records import Completion
from preftune.training import Journal, Tensors, Training, load_weights, weights_of

GOOD = "good"
"""In a checkpoint's state: the step of the newest checkpoint that no guard had a word against."""


class Halt(NamedTuple):
    """The iteration that a guard stopped, the one whose weights were kept, and the guard's word."""

    step: int
    kept: int
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        return {"step": self.step, "kept_step": self.kept, **self.verdict.as_json()}


class Guarding:
    """A story's guards, between its metrics and its checkpoints."""

    def __init__(
        self, recipe: OnPolicy, training: Training, journal: Journal, state: Mapping[str, Any]
    ) -> None:
        self.guards, self.training, self.journal = recipe.guards, training, journal
        evaluation = recipe.evaluation
        self.gold = evaluation is not None and evaluation.judge.startswith("gold:")
        self.good = int(state.get(GOOD, 0))
        self.start: dict[str, Tensors] = {}
        """The networks as they came, in the machine's memory, until there is a checkpoint."""
        if not journal.steps:
            self.start = {
                name: {part: weight.cpu() for part, weight in weights_of(network).items()}
                for name, network in training.networks.items()
            }

    def judge(self, number: int, row: Mapping[str, float]) -> tuple[Verdict, ...]:
        """The verdicts on this iteration; what is new is told at once."""
        past = self.journal.history
        verdicts = watch(self.guards, [*past, metrics_row(number, row)], self.gold)
        for verdict in worse(verdicts, past):
            self.journal.console.line(f"guard {verdict.guard}, {verdict.level}: {verdict.reason}")
        return verdicts

    def checkpoint(
        self,
        number: int,
        verdicts: Sequence[Verdict],
        state: dict[str, Any],
        tensors: Tensors,
    ) -> None:
        """Saves when it is time; the newest good checkpoint outlives the newer bad ones."""
        if number % self.journal.checkpoint_every:
            return
        if sound(self.guards, verdicts):
            self.good = number
        state[GOOD] = self.good
        self.journal.checkpoint(number, self.training, state, tensors, keep=self.good)
        self.start = {}

    def restore(self) -> tuple[int, dict[str, Any], Tensors]:
        """Puts back the newest good checkpoint, else the oldest there is, else the beginning."""
        steps = self.journal.steps
        if steps:
            return self.journal.restore(
                self.good if self.good in steps else steps[0], self.training
            )
        for name, weights in self.start.items():
            load_weights(self.training.networks[name], weights)
        return 0, {}, {}


GAP = "sampling/sampling_logp_difference"
"""The metric's name, before ``/mean`` and ``/max``."""


def sampler_gap(completions: Sequence[Completion], logprobs_BT: torch.Tensor) -> dict[str, float]:
    """How far the sampler's own log-probabilities are from the trainer's, in nats over all tokens.

    Empty where the sampler gave none.
    """
    if any(len(each.logprobs) != len(each.token_ids) for each in completions):
        return {}
    gaps = torch.cat(
        [
            (torch.tensor(each.logprobs) - logprobs_BT[place, : len(each.logprobs)]).abs()
            for place, each in enumerate(completions)
        ]
    )
    return {f"{GAP}/mean": float(gaps.mean()), f"{GAP}/max": float(gaps.max())}
