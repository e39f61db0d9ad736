"""GSPO with a reward model: what can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.groups import ClippedGroups


class GSPO(ClippedGroups):
    """GRPO with one probability ratio for a whole response, the mean of its tokens' in logs."""

    kind: Literal["gspo"] = "gspo"
    cliprange_low: float = Field(default=3e-4, gt=0)
    """The response's ratio may fall this far below 1."""
    cliprange_high: float = Field(default=4e-4, gt=0)
    """The response's ratio may rise this far above 1."""
    ratio: Literal["sequence", "token"] = "sequence"
    """``token`` is GSPO-token: the same value, its gradient through each token by itself."""

    @model_validator(mode="after")
    def _ratio_is_a_mean_already(self) -> Self:
        if self.aggregation != "sequence_mean":
            raise ValueError(
                f'aggregation = "{self.aggregation}" contradicts a ratio that is the mean over a '
                'response\'s tokens already: leave it at "sequence_mean", or use kind = "grpo"'
            )
        return self
