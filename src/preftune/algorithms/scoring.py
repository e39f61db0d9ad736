"""From what a judge said to the scores a story learns from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from preftune.maths.kl import k1
from preftune.maths.masked import masked_sum
from preftune.models import Row
from preftune.recipe import OnPolicy
from preftune.records import Axes, Completion, StopReason
from preftune.rewards import part_metrics
from preftune.stats import repetition, stock_phrase


@dataclass(frozen=True, slots=True)
class ScoredRollout:
    """Responses with scores. T is the longest response; masked entries are 0.

    ``raw_scores_B`` is what the judge gave, ``scores_B`` what is left after the recipe's rules;
    ``axes`` has the parts a score was added up from, where there are several.
    """

    rows: tuple[Row, ...]
    texts: tuple[str, ...]
    axes: tuple[Axes, ...]
    ended_B: torch.Tensor
    raw_scores_B: torch.Tensor
    scores_B: torch.Tensor
    action_mask_BT: torch.Tensor
    logprobs_BT: torch.Tensor
    reference_logprobs_BT: torch.Tensor
    sampler_gap: Mapping[str, float]
    shares_prompts: bool = False
    """Whether prompts have several responses, which networks then read together."""

    @property
    def kl_BT(self) -> torch.Tensor:
        return k1(logprobs_BT=self.logprobs_BT, reference_logprobs_BT=self.reference_logprobs_BT)

    @property
    def kl(self) -> float:
        """Mean over responses of the KL to the reference summed over tokens, in nats."""
        return float(masked_sum(values_BT=self.kl_BT, mask_BT=self.action_mask_BT)) / len(self.rows)

    def metrics(self) -> dict[str, float]:
        lengths = self.action_mask_BT.sum(-1).float()
        logprob = masked_sum(values_BT=self.logprobs_BT, mask_BT=self.action_mask_BT)
        return {
            "objective/kl": self.kl,
            "objective/scores": float(self.scores_B.mean()),
            "objective/entropy": -float(logprob) / len(self.rows),
            "proxy/score": float(self.raw_scores_B.mean()),
            "proxy/score_std": float(self.raw_scores_B.std(correction=0)),
            "completions/mean_length": float(lengths.mean()),
            "completions/eos_rate": float(self.ended_B.float().mean()),
            "completions/repetition": repetition(self.texts),
            "completions/stock_phrase": stock_phrase(self.texts)[1],
            "val/num_eos_tokens": float(self.ended_B.sum()),
            **self.sampler_gap,
            **part_metrics(self.axes),
        }


def penalised_scores(
    recipe: OnPolicy, completions: Sequence[Completion], scores_B: torch.Tensor
) -> torch.Tensor:
    """Scores after clipping and the recipe's rule for responses that never ended, [B]."""
    if recipe.clip_scores is not None:
        scores_B = scores_B.clamp(-recipe.clip_scores, recipe.clip_scores)
    cut_B = torch.tensor([c.stop_reason == StopReason.LENGTH for c in completions])
    rule = recipe.missing_eos
    if rule.kind == "replace":
        return torch.where(cut_B, torch.full_like(scores_B, rule.score), scores_B)
    if rule.kind == "subtract":
        return scores_B - rule.penalty * cut_B
    return scores_B


def present(axes: Sequence[Axes | None]) -> list[Axes]:
    """The axes of every response; ValueError where a judge left one out."""
    missing = [index for index, value in enumerate(axes) if value is None]
    if missing:
        raise ValueError(f"the reward model gave no score for response {missing[0]}")
    return [value for value in axes if value is not None]
