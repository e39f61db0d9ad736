"""From what a judge said to the scores a story learns from."""

from collections.abc import Sequence

import torch

from preftune.recipe import OnPolicy
from preftune.records import Axes, Completion, StopReason


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
