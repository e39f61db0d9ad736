"""Steps that offline methods share: reading sequences, the reference once, the loop.

A story gives an objective: for the rows of an optimizer step, the loss of each micro-batch. The
same objective without gradient is its validation loss. Sums it reports are divided by what the
step counts, so that they add up to means over the step whatever the micro-batches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import torch
from transformers import PreTrainedModel

from preftune.algorithms.reference_file import NAME, kept_logprobs
from preftune.algorithms.reward_batches import Pair, distinct_rows
from preftune.maths.losses.dpo import log_ratio_margins
from preftune.models import Row, logprobs_of_rows, micro_batches, shares_prompts, tokens_read
from preftune.recipe import OfflineSettings
from preftune.training import Best, Journal, Loss, StepReport, Training, batch_indices
from preftune.training.order import steps_per_epoch


class Part(Protocol):
    """Rows of a story's own kind."""

    def __len__(self) -> int: ...
    def tokens(self, index: int, share: bool) -> int:
        """Tokens that go through the network at once for one row; with ``share`` a prompt once."""
        ...


P = TypeVar("P", bound=Part)
Objective = Callable[[list[int]], Loss]
"""The loss of a micro-batch, given as indices into a part."""
ObjectiveOf = Callable[[P, Sequence[int]], Objective]
"""Of the part and the indices that make up a whole optimizer step."""


class PairReading(NamedTuple):
    """Log-probabilities of both sides in nats, their lengths in tokens, and what labelers said."""

    chosen_B: torch.Tensor
    rejected_B: torch.Tensor
    chosen_lengths_B: torch.Tensor
    rejected_lengths_B: torch.Tensor
    probabilities_B: torch.Tensor
    weights_B: torch.Tensor

    def means(self) -> "PairReading":
        """The same with each log-probability divided by its response's tokens."""
        return self._replace(
            chosen_B=self.chosen_B / self.chosen_lengths_B,
            rejected_B=self.rejected_B / self.rejected_lengths_B,
        )


@dataclass(frozen=True)
class Pairs:
    """Comparisons to learn from."""

    pairs: Sequence[Pair]

    def __len__(self) -> int:
        return len(self.pairs)

    def tokens(self, index: int, share: bool) -> int:
        return tokens_read((self.pairs[index].chosen, self.pairs[index].rejected), share)

    def weight(self, indices: Sequence[int]) -> float:
        return sum(self.pairs[i].weight for i in indices)


@dataclass(frozen=True)
class ReferencedPairs(Pairs):
    """Comparisons with the reference's log-probabilities of both sides, [N], in nats a response."""

    chosen_N: torch.Tensor
    rejected_N: torch.Tensor

    def reference(self, indices: list[int], now: PairReading) -> PairReading:
        """What the policy was asked, answered by the reference."""
        return now._replace(
            chosen_B=self.chosen_N[indices].to(now.chosen_B),
            rejected_B=self.rejected_N[indices].to(now.rejected_B),
        )


@dataclass(frozen=True, slots=True)
class PairInputs:
    """The policy that learns, comparisons, and held-out ones (may be empty).

    ``known_reference`` is a file of what the reference said in another stage.
    """

    policy: PreTrainedModel
    train: Sequence[Pair]
    validation: Sequence[Pair]
    seed: int
    known_reference: Path | None = None


class Referring(Protocol):
    """Inputs of a story that asks a reference."""

    @property
    def known_reference(self) -> Path | None: ...


@dataclass(frozen=True, slots=True)
class OfflineResult:
    """Optimizer steps done, the step kept, and the validation losses before and at that step."""

    steps: int
    kept_step: int
    first_eval_loss: float | None
    best_eval_loss: float | None


def learn(
    recipe: OfflineSettings,
    policy: PreTrainedModel,
    seed: int,
    parts: tuple[P, P],
    objective_of: ObjectiveOf[P],
    journal: Journal,
) -> OfflineResult:
    """Optimizer steps over ``parts`` (train, validation); leaves the best weights in ``policy``."""
    train, validation = parts
    per_epoch = steps_per_epoch(len(train), recipe.batch_size)
    total = per_epoch * recipe.epochs
    training = Training({"policy": policy}, {"policy": recipe.optimizer}, total, seed)
    policy.eval()  # no dropout: at the start policy and reference must agree exactly
    done, state, kept = journal.resume(training)
    best = Best.resumed(recipe.patience, state.get("best", {}), kept)
    first, tokens = state.get("first_eval_loss"), state.get("num_tokens", 0.0)
    if first is None and len(validation):
        first = validate(recipe, policy, validation, objective_of)["eval_loss"]
    finished = False

    with journal.progress(recipe.kind, total) as bar:
        bar.resume(done)
        for at in range(done, total):
            step = at + 1
            drawn = batch_indices(len(train), recipe.batch_size, at, seed)
            groups = grouped(policy, train, drawn, recipe.micro_batch_tokens)
            report = training.step(groups, objective_of(train, drawn), at=at)
            tokens += report.sums["num_tokens"]
            values = _metrics(report, step / per_epoch) | {"num_tokens": tokens}
            if len(validation) and (step % recipe.evaluate_every == 0 or step == total):
                values |= validate(recipe, policy, validation, objective_of)
                finished = best.offer(-values["eval_loss"], step, policy)
            journal.record(step, values)
            bar.advance(1, f"loss {values['loss']:.3f}")
            if finished:
                break
            state = {"best": best.state(), "first_eval_loss": first, "num_tokens": tokens}
            journal.checkpoint(step, training, state, best.weights)
    best.restore(policy)
    return OfflineResult(
        steps=step if total > done else done,
        kept_step=best.step or total,
        first_eval_loss=first,
        best_eval_loss=-best.value if best.step else None,
    )


@torch.no_grad()
def validate(
    recipe: OfflineSettings, policy: PreTrainedModel, validation: P, objective_of: ObjectiveOf[P]
) -> dict[str, float]:
    """The loss and the objective's sums over all held-out rows as one step, ``eval_`` before."""
    everything = range(len(validation))
    objective = objective_of(validation, everything)
    groups = grouped(policy, validation, everything, recipe.micro_batch_tokens)
    parts = [objective(group) for group in groups]
    names = [name for name in parts[0].sums if name != "num_tokens"]
    sums = {name: sum(float(part.sums[name]) for part in parts) for name in names}
    loss = sum(float(part.total) for part in parts)
    return {f"eval_{name}": value for name, value in ({"loss": loss} | sums).items()}


def grouped(
    policy: PreTrainedModel, part: Part, drawn: Sequence[int], micro_batch_tokens: int
) -> list[list[int]]:
    """The drawn indices as micro-batches of rows of like length, as this policy reads them."""
    share = shares_prompts(policy)
    groups = micro_batches([part.tokens(i, share) for i in drawn], micro_batch_tokens)
    return [[drawn[place] for place in group] for group in groups]


def sequence_logprobs(policy: PreTrainedModel, rows: Sequence[Row]) -> torch.Tensor:
    """log π(y|x) of each row's response, its end token included, [B], in nats a response.

    A prompt that several rows share is read once. No more tokens go through the network
    at once than the rows have by themselves.
    """
    return logprobs_of_rows(policy, rows, sum(len(row) for row in rows))


@torch.no_grad()
def all_logprobs(
    policy: PreTrainedModel, rows: Sequence[Row], micro_batch_tokens: int
) -> torch.Tensor:
    """:func:`sequence_logprobs` of any number of rows, [N], on the CPU."""
    return logprobs_of_rows(policy, rows, micro_batch_tokens).float().cpu()


def read_pairs(policy: PreTrainedModel, part: Pairs, indices: list[int]) -> PairReading:
    """What the policy says of these pairs, with gradient."""
    pairs = [part.pairs[i] for i in indices]
    sums = sequence_logprobs(policy, [p.chosen for p in pairs] + [p.rejected for p in pairs])
    chosen, rejected = sums.split(len(pairs))

    def column(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=chosen.dtype, device=chosen.device)

    return PairReading(
        chosen_B=chosen,
        rejected_B=rejected,
        chosen_lengths_B=column([float(len(p.chosen.response_ids)) for p in pairs]),
        rejected_lengths_B=column([float(len(p.rejected.response_ids)) for p in pairs]),
        probabilities_B=column([p.probability for p in pairs]),
        weights_B=column([p.weight for p in pairs]),
    )


def margins_over(now: PairReading, reference: PairReading) -> torch.Tensor:
    """h of each pair, [B]: chosen's log-ratio to the reference minus rejected's."""
    return log_ratio_margins(
        chosen_logprobs_B=now.chosen_B,
        rejected_logprobs_B=now.rejected_B,
        reference_chosen_logprobs_B=reference.chosen_B,
        reference_rejected_logprobs_B=reference.rejected_B,
    )


def pair_metrics(
    now: PairReading, chosen_rewards_B: torch.Tensor, rejected_rewards_B: torch.Tensor, count: int
) -> dict[str, torch.Tensor]:
    """TRL's numbers of a micro-batch, each divided by the pairs of the whole step."""
    with torch.no_grad():
        margins = chosen_rewards_B - rejected_rewards_B
        means = {
            "rewards/chosen": chosen_rewards_B,
            "rewards/rejected": rejected_rewards_B,
            "rewards/accuracies": 0.5 * (margins.sign() + 1.0),
            "rewards/margins": margins,
            "logps/chosen": now.chosen_B,
            "logps/rejected": now.rejected_B,
        }
        shares = {name: values.sum() / count for name, values in means.items()}
        return shares | {"num_tokens": (now.chosen_lengths_B + now.rejected_lengths_B).sum()}


def referenced(
    recipe: OfflineSettings, inputs: PairInputs, reference: PreTrainedModel, journal: Journal
) -> tuple[ReferencedPairs, ReferencedPairs]:
    """Training and validation pairs with the reference's log-probabilities, read once and kept."""
    both = [*inputs.train, *inputs.validation]
    rows = distinct_rows(both)
    sums = reference_logprobs(recipe, inputs, reference, rows, journal)
    place = {row: index for index, row in enumerate(rows)}
    chosen = sums[[place[pair.chosen] for pair in both]]
    rejected = sums[[place[pair.rejected] for pair in both]]
    cut = len(inputs.train)
    return (
        ReferencedPairs(inputs.train, chosen[:cut], rejected[:cut]),
        ReferencedPairs(inputs.validation, chosen[cut:], rejected[cut:]),
    )


def reference_logprobs(
    recipe: OfflineSettings,
    inputs: Referring,
    reference: PreTrainedModel,
    rows: Sequence[Row],
    journal: Journal,
) -> torch.Tensor:
    """log π_ref(y|x) of every row, [B]: worked out once and kept in the stage's folder.

    A stopped run finds them there; ``elsewhere`` is another stage's file of them.
    """
    reference.eval()

    def ask(unknown: Sequence[Row]) -> torch.Tensor:
        with journal.progress("reference", 1) as bar:
            sums = all_logprobs(reference, unknown, recipe.micro_batch_tokens)
            bar.advance(1)
        return sums

    return kept_logprobs(reference, rows, ask, journal.folder / NAME, inputs.known_reference)


def _metrics(report: StepReport, epoch: float) -> dict[str, float]:
    return report.sums | {
        "loss": report.loss,
        "grad_norm": report.grad_norms["policy"],
        "learning_rate": report.learning_rates["policy"],
        "epoch": epoch,
    }
