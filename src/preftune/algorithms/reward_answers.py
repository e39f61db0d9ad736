"""Reward models that learn from rankings, ratings or labelled steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from preftune.algorithms.reward_batches import (
    Ranked,
    Rated,
    Read,
    Scored,
    Stepped,
    Totals,
    agreement,
    extremes,
    measured,
    score_metrics,
    table_of,
)
from preftune.maths.losses.reward_model import (
    best_of_softmax_loss,
    label_loss,
    plackett_luce_loss,
    rating_loss,
)
from preftune.models import Row, axis_scores, scores, step_scores
from preftune.training import Loss


@dataclass(frozen=True, slots=True)
class Rankings:
    """Plackett–Luce, or the softmax of the best: a prompt's answers as one event."""

    kind: str
    read: Read = scores

    def elements(self, examples: Sequence[Ranked]) -> list[list[Ranked]]:
        return [[example] for example in examples]

    def rows(self, examples: Sequence[Ranked]) -> list[Row]:
        return list(dict.fromkeys(row for ranked in examples for row in ranked.rows))

    def totals(self, elements: Sequence[Sequence[Ranked]]) -> Totals:
        return {"prompts": len(elements), "answers": sum(len(e.rows) for (e,) in elements)}

    def loss(self, elements: Sequence[Sequence[Ranked]], scored: Scored, totals: Totals) -> Loss:
        ranked = [example for element in elements for example in element]
        table, there, ranks = self._laid_out(ranked, scored)
        first = torch.where(there, ranks, ranks.max() + 1).argmin(-1)
        if self.kind == "plackett_luce":
            loss = plackett_luce_loss(
                scores_BK=table,
                ranks_BK=ranks,
                answer_mask_BK=there,
                denominator=totals["prompts"],
            )
        else:
            loss = best_of_softmax_loss(
                scores_BK=table, answer_mask_BK=there, best_B=first, denominator=totals["prompts"]
            )
        given = table[there]
        picked = torch.where(there, table, float("-inf")).argmax(-1)
        return Loss(loss, {"correct": (picked == first).sum(), **extremes(given)})

    def metrics(self, sums: Mapping[str, float], totals: Totals) -> dict[str, float]:
        accuracy = {"accuracy": sums["correct"] / totals["prompts"]}
        return accuracy | score_metrics(sums, totals["answers"])

    def held_out(self, examples: Sequence[Ranked], scored: Scored) -> dict[str, float]:
        elements = self.elements(examples)
        return measured(self.loss(elements, scored, self.totals(elements)), len(examples))

    def _laid_out(
        self, ranked: Sequence[Ranked], scored: Scored
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Scores, where there is an answer, and ranks, each [B, K]."""
        most = max(len(example.rows) for example in ranked)
        table = torch.stack([F.pad(scored.of(e.rows), (0, most - len(e.rows))) for e in ranked])
        ranks = torch.tensor(
            [[*e.ranks, *[0] * (most - len(e.ranks))] for e in ranked], device=table.device
        )
        return table, ranks > 0, ranks


@dataclass(frozen=True, slots=True)
class Ratings:
    """Regression on one rating or several; ``scales`` are the ratings' deviations by axis."""

    scales: tuple[float, ...]
    read: Read = axis_scores

    def elements(self, examples: Sequence[Rated]) -> list[list[Rated]]:
        return [[example] for example in examples]

    def rows(self, examples: Sequence[Rated]) -> list[Row]:
        return list(dict.fromkeys(rated.row for rated in examples))

    def totals(self, elements: Sequence[Sequence[Rated]]) -> Totals:
        rated = [r for element in elements for e in element for r in e.ratings if r is not None]
        answers = sum(len(element) for element in elements)
        return {"ratings": max(len(rated), 1), "answers": answers * len(self.scales)}

    def loss(self, elements: Sequence[Sequence[Rated]], scored: Scored, totals: Totals) -> Loss:
        rated = [example for element in elements for example in element]
        table = scored.of([example.row for example in rated])
        ratings = table_of([example.ratings for example in rated], table)
        loss = rating_loss(
            scores_BK=table,
            ratings_BK=ratings.nan_to_num(),
            rated_mask_BK=~ratings.isnan(),
            scales_K=table.new_tensor(self.scales),
            denominator=totals["ratings"],
        )
        return Loss(loss, {"off": (table - ratings).abs().nansum(), **extremes(table)})

    def metrics(self, sums: Mapping[str, float], totals: Totals) -> dict[str, float]:
        off = {"mean_absolute_error": sums["off"] / totals["ratings"]}
        return off | score_metrics(sums, totals["answers"])

    def held_out(self, examples: Sequence[Rated], scored: Scored) -> dict[str, float]:
        elements = self.elements(examples)
        totals = self.totals(elements)
        found = self.loss(elements, scored, totals)
        off = float(found.sums["off"]) / totals["ratings"]
        return {"eval_loss": float(found.total), "eval_mean_absolute_error": off}


@dataclass(frozen=True, slots=True)
class LabelledAnswers:
    """A yes or no of every answer: cross-entropy between its score, in log-odds, and the label."""

    read: Read = scores

    def elements(self, examples: Sequence[Rated]) -> list[list[Rated]]:
        return [[example] for example in examples]

    def rows(self, examples: Sequence[Rated]) -> list[Row]:
        return list(dict.fromkeys(rated.row for rated in examples))

    def totals(self, elements: Sequence[Sequence[Rated]]) -> Totals:
        return {"labels": sum(len(element) for element in elements)}

    def loss(self, elements: Sequence[Sequence[Rated]], scored: Scored, totals: Totals) -> Loss:
        labelled = [example for element in elements for example in element]
        table = scored.of([example.row for example in labelled]).unsqueeze(-1)
        labels = table_of([example.ratings for example in labelled], table)
        loss = label_loss(
            logits_BK=table,
            targets_BK=labels.nan_to_num(),
            labelled_mask_BK=~labels.isnan(),
            denominator=totals["labels"],
        )
        right = agreement((2 * labels - 1) * table)
        return Loss(loss, {"correct": right.nansum(), **extremes(table)})

    def metrics(self, sums: Mapping[str, float], totals: Totals) -> dict[str, float]:
        accuracy = {"accuracy": sums["correct"] / totals["labels"]}
        return accuracy | score_metrics(sums, totals["labels"])

    def held_out(self, examples: Sequence[Rated], scored: Scored) -> dict[str, float]:
        elements = self.elements(examples)
        totals = self.totals(elements)
        return measured(self.loss(elements, scored, totals), totals["labels"])


@dataclass(frozen=True, slots=True)
class LabelledSteps:
    """A label for every step of an answer."""

    read: Read = step_scores

    def elements(self, examples: Sequence[Stepped]) -> list[list[Stepped]]:
        return [[example] for example in examples]

    def rows(self, examples: Sequence[Stepped]) -> list[Row]:
        return list(dict.fromkeys(stepped.row for stepped in examples))

    def totals(self, elements: Sequence[Sequence[Stepped]]) -> Totals:
        labels = [label for element in elements for e in element for label in e.labels]
        return {"labels": max(len(labels) - labels.count(None), 1), "steps": len(labels)}

    def loss(self, elements: Sequence[Sequence[Stepped]], scored: Scored, totals: Totals) -> Loss:
        stepped = [example for element in elements for example in element]
        read = scored.of([example.row for example in stepped])
        most = max(len(example.ends) for example in stepped)
        ends = [(*example.ends, *[0] * (most - len(example.ends))) for example in stepped]
        labels = table_of(
            [(*example.labels, *[None] * (most - len(example.labels))) for example in stepped], read
        )
        table = read.gather(1, torch.tensor(ends, device=read.device))
        loss = label_loss(
            logits_BK=table,
            targets_BK=labels.nan_to_num(),
            labelled_mask_BK=~labels.isnan(),
            denominator=totals["labels"],
        )
        right = agreement((2 * labels - 1) * table)
        given = torch.cat([table[i, : len(e.ends)] for i, e in enumerate(stepped)])
        return Loss(loss, {"correct": right.nansum(), **extremes(given)})

    def metrics(self, sums: Mapping[str, float], totals: Totals) -> dict[str, float]:
        accuracy = {"accuracy": sums["correct"] / totals["labels"]}
        return accuracy | score_metrics(sums, totals["steps"])

    def held_out(self, examples: Sequence[Stepped], scored: Scored) -> dict[str, float]:
        elements = self.elements(examples)
        totals = self.totals(elements)
        return measured(self.loss(elements, scored, totals), totals["labels"])
