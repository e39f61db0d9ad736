"""Reward models that learn from comparisons: Bradley–Terry, and K-wise over whole prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from preftune.algorithms.reward_batches import (
    Pair,
    Read,
    Scored,
    Totals,
    agreement,
    batch_elements,
    distinct_rows,
    extremes,
    table_of,
)
from preftune.maths.losses.reward_model import (
    bradley_terry_loss,
    centering_loss,
    k_wise_loss,
    label_loss,
    smoothed_probabilities,
)
from preftune.models import Batch, Row, axis_scores, score_of_axes, scores
from preftune.recipe import BradleyTerry
from preftune.training import Loss


def score_and_safety(model: PreTrainedModel, batch: Batch, dropout: float = 0.0) -> torch.Tensor:
    """The normalised score and the log-odds of being safe, [B, 2]."""
    axes = axis_scores(model, batch, dropout)
    return torch.stack([score_of_axes(model, axes), axes[:, 1]], dim=-1)


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Bradley–Terry on pairs, single or whole prompts in a step."""

    settings: BradleyTerry = BradleyTerry()
    center: float = 0.0
    batching: str = "pairs"

    @property
    def read(self) -> Read:
        return scores if self.settings.safety is None else score_and_safety

    def elements(self, examples: Sequence[Pair]) -> list[list[Pair]]:
        return batch_elements(examples, self.batching)

    def rows(self, examples: Sequence[Pair]) -> list[Row]:
        return distinct_rows(examples)

    def totals(self, elements: Sequence[Sequence[Pair]]) -> Totals:
        pairs = [pair for element in elements for pair in element]
        labelled = sum(label is not None for pair in pairs for label in pair.safe)
        weight = sum(pair.weight for pair in pairs)
        return {"weight": weight, "pairs": len(pairs), "labelled": max(labelled, 1)}

    def loss(self, elements: Sequence[Sequence[Pair]], scored: Scored, totals: Totals) -> Loss:
        pairs = [pair for element in elements for pair in element]
        both = sides(pairs, scored)
        chosen, rejected = (side if side.ndim == 1 else side[:, 0] for side in both)
        weights = chosen.new_tensor([pair.weight for pair in pairs])
        targets = chosen.new_tensor([pair.probability for pair in pairs])
        if self.settings.label_smoothing:
            flipped = self.settings.label_smoothing
            targets = smoothed_probabilities(probabilities_B=targets, flipped=flipped)
        loss = bradley_terry_loss(
            chosen_scores_B=chosen,
            rejected_scores_B=rejected,
            probabilities_B=targets,
            margins_B=chosen.new_tensor([pair.margin for pair in pairs]),
            weights_B=weights,
            denominator=totals["weight"],
        )
        if self.center:
            loss = loss + self.center * centering_loss(
                chosen_scores_B=chosen,
                rejected_scores_B=rejected,
                weights_B=weights,
                denominator=totals["weight"],
            )
        if self.settings.safety is not None:
            logits = torch.stack([side[:, 1] for side in both], dim=-1)
            safe = table_of([pair.safe for pair in pairs], logits)
            loss = loss + self.settings.safety.weight * label_loss(
                logits_BK=logits,
                targets_BK=safe.nan_to_num(),
                labelled_mask_BK=~safe.isnan(),
                denominator=totals["labelled"],
            )
        return Loss(loss, _pair_sums(chosen, rejected))

    def metrics(self, sums: Mapping[str, float], totals: Totals) -> dict[str, float]:
        return _pair_metrics(sums, totals)

    def held_out(self, examples: Sequence[Pair], scored: Scored) -> dict[str, float]:
        return _held_out(examples, scored)


@dataclass(frozen=True, slots=True)
class WholePrompts:
    """K-wise: every prompt is one element and counts once, however many pairs it has."""

    read: Read = scores

    def elements(self, examples: Sequence[Pair]) -> list[list[Pair]]:
        return batch_elements(examples, "prompts")

    def rows(self, examples: Sequence[Pair]) -> list[Row]:
        return distinct_rows(examples)

    def totals(self, elements: Sequence[Sequence[Pair]]) -> Totals:
        return {"prompts": len(elements), "pairs": sum(len(element) for element in elements)}

    def loss(self, elements: Sequence[Sequence[Pair]], scored: Scored, totals: Totals) -> Loss:
        pairs = [pair for element in elements for pair in element]
        chosen, rejected = sides(pairs, scored)
        of = [number for number, element in enumerate(elements) for _ in element]
        loss = k_wise_loss(
            chosen_scores_B=chosen,
            rejected_scores_B=rejected,
            elements_B=torch.tensor(of, device=chosen.device),
            denominator=totals["prompts"],
        )
        return Loss(loss, _pair_sums(chosen, rejected))

    def metrics(self, sums: Mapping[str, float], totals: Totals) -> dict[str, float]:
        return _pair_metrics(sums, totals)

    def held_out(self, examples: Sequence[Pair], scored: Scored) -> dict[str, float]:
        return _held_out(examples, scored)


def sides(pairs: Sequence[Pair], scored: Scored) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network said of the chosen and of the rejected answers."""
    return scored.of([pair.chosen for pair in pairs]), scored.of([pair.rejected for pair in pairs])


def _held_out(pairs: Sequence[Pair], scored: Scored) -> dict[str, float]:
    """Accuracy against the majority (ties half) and mean plain loss on held-out pairs."""
    chosen, rejected = (s if s.ndim == 1 else s[:, 0] for s in sides(pairs, scored))
    loss = bradley_terry_loss(
        chosen_scores_B=chosen,
        rejected_scores_B=rejected,
        probabilities_B=chosen.new_tensor([pair.probability for pair in pairs]),
        margins_B=torch.zeros_like(chosen),
        weights_B=torch.ones_like(chosen),
        denominator=len(pairs),
    )
    return {
        "eval_accuracy": float(agreement(chosen - rejected).mean()),
        "eval_loss": float(loss),
    }


def _pair_sums(chosen: torch.Tensor, rejected: torch.Tensor) -> dict[str, torch.Tensor]:
    difference = chosen - rejected
    told = {"correct": agreement(difference).sum(), "margin": difference.sum()}
    return told | extremes(torch.cat([chosen, rejected]))


def _pair_metrics(sums: Mapping[str, float], totals: Totals) -> dict[str, float]:
    pairs = totals["pairs"]
    return {
        "accuracy": sums["correct"] / pairs,
        "margin": sums["margin"] / pairs,
        "mean_reward": sums["score"] / pairs / 2,
        "max_reward": sums["high_max"],
        "min_reward": -sums["low_max"],
    }
