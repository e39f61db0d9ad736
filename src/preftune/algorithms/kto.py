"""KTO: single answers that somebody found desirable or not; no pairs are needed.

Ethayarajh et al. 2024. The value of an answer saturates with its log-ratio to the reference, as
people's value of gains and losses does, measured from a reference point z₀: the KL of the policy
from the reference, estimated on answers that belong to other prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from transformers import PreTrainedModel

from preftune.algorithms.offline import (
    Objective,
    OfflineResult,
    grouped,
    learn,
    reference_logprobs,
    sequence_logprobs,
)
from preftune.maths.losses.kto import kto_loss, reference_point
from preftune.models import Row
from preftune.recipe import KTO
from preftune.training import Journal, Loss


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer as a row of ids, and whether it is desirable."""

    row: Row
    desirable: bool


@dataclass(frozen=True, slots=True)
class KTOInputs:
    """The policy that learns, judged answers, and held-out ones (may be empty)."""

    policy: PreTrainedModel
    train: Sequence[Verdict]
    validation: Sequence[Verdict]
    seed: int
    known_reference: Path | None = None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Judged answers, their prompts with answers to others, and the reference's word on both."""

    verdicts: Sequence[Verdict]
    mismatched: Sequence[Row]
    reference_N: torch.Tensor
    mismatched_reference_N: torch.Tensor

    def __len__(self) -> int:
        return len(self.verdicts)

    def tokens(self, index: int, share: bool) -> int:
        return max(len(self.verdicts[index].row), len(self.mismatched[index]))


def kto(
    recipe: KTO, inputs: KTOInputs, reference: PreTrainedModel, journal: Journal
) -> OfflineResult:
    """Leaves the best weights in ``inputs.policy``."""
    parts = with_reference(recipe, inputs, reference, journal)
    del reference  # all it has to say is said: its memory is free
    balance = weight_ratio(recipe, inputs.train)
    if not 1 <= balance <= 1.5:
        journal.console.line(
            f"desirable answers weigh {balance:.2f} times the undesirable ones; between 1 and 1.5 "
            "is advised"
        )
    objective_of = partial(objective, recipe, inputs)
    return learn(recipe, inputs.policy, inputs.seed, parts, objective_of, journal)


def objective(recipe: KTO, inputs: KTOInputs, part: Verdicts, drawn: Sequence[int]) -> Objective:
    """The mean over the drawn answers; z₀ is one number for all of them."""
    policy = inputs.policy
    ratios = []
    with torch.no_grad():
        for group in grouped(policy, part, drawn, recipe.micro_batch_tokens):
            sums = sequence_logprobs(policy, [part.mismatched[i] for i in group])
            ratios.append(sums - part.mismatched_reference_N[group].to(sums))
    kl = reference_point(mismatched_log_ratios_B=torch.cat(ratios))
    liked = sum(part.verdicts[i].desirable for i in drawn)

    def loss(indices: list[int]) -> Loss:
        verdicts = [part.verdicts[i] for i in indices]
        sums = sequence_logprobs(policy, [v.row for v in verdicts])
        ratios = sums - part.reference_N[indices].to(sums)
        desirable = torch.tensor([v.desirable for v in verdicts], device=sums.device)
        total = kto_loss(
            log_ratios_B=ratios,
            desirable_mask_B=desirable,
            reference_kl=kl,
            beta=recipe.beta,
            desirable_weight=recipe.desirable_weight,
            undesirable_weight=recipe.undesirable_weight,
            denominator=len(drawn),
        )
        tokens = sums.new_tensor(float(sum(len(v.row.response_ids) for v in verdicts)))
        share = sums.new_tensor(kl * len(indices) / len(drawn))
        means = metrics(recipe, (sums, ratios, desirable), liked, len(drawn) - liked)
        return Loss(total, means | {"kl": share, "num_tokens": tokens})

    return loss


@torch.no_grad()
def metrics(
    recipe: KTO, read: tuple[torch.Tensor, torch.Tensor, torch.Tensor], liked: int, disliked: int
) -> dict[str, torch.Tensor]:
    """TRL's numbers: means over the desirable answers of the step and over the others."""
    sums, ratios, desirable = read
    values = {}
    for name, mask, count in (("chosen", desirable, liked), ("rejected", ~desirable, disliked)):
        values[f"rewards/{name}"] = recipe.beta * ratios[mask].sum() / max(count, 1)
        values[f"logps/{name}"] = sums[mask].sum() / max(count, 1)
    return values | {"rewards/margins": values["rewards/chosen"] - values["rewards/rejected"]}


def with_reference(
    recipe: KTO, inputs: KTOInputs, reference: PreTrainedModel, journal: Journal
) -> tuple[Verdicts, Verdicts]:
    """Training and validation answers with the reference's log-probabilities, read once."""
    parts = inputs.train, inputs.validation
    others = [mismatched([verdict.row for verdict in part]) for part in parts]
    matched = [verdict.row for part in parts for verdict in part]
    rows = list(dict.fromkeys([*matched, *others[0], *others[1]]))
    sums = reference_logprobs(recipe, inputs, reference, rows, journal)
    place = {row: index for index, row in enumerate(rows)}

    def of(part: Sequence[Verdict], other: Sequence[Row]) -> Verdicts:
        own = [place[verdict.row] for verdict in part]
        return Verdicts(part, other, sums[own], sums[[place[row] for row in other]])

    return of(parts[0], others[0]), of(parts[1], others[1])


def mismatched(rows: Sequence[Row]) -> list[Row]:
    """Each prompt with the answer of the next row, in a circle, that has another prompt."""
    count = len(rows)
    following = list(range(count))
    for place in reversed(range(2 * count - 1)):  # twice around, for the end looks at the start
        here, after = place % count, (place + 1) % count
        same = rows[here].prompt_ids == rows[after].prompt_ids
        following[here] = following[after] if same else after
    return [
        Row(row.prompt_ids, rows[other].response_ids)
        for row, other in zip(rows, following, strict=True)
    ]


def weight_ratio(recipe: KTO, verdicts: Sequence[Verdict]) -> float:
    """λ_D n_D / (λ_U n_U); infinite where nothing is undesirable."""
    liked = sum(verdict.desirable for verdict in verdicts)
    undesirable = recipe.undesirable_weight * (len(verdicts) - liked)
    return recipe.desirable_weight * liked / undesirable if undesirable else float("inf")
