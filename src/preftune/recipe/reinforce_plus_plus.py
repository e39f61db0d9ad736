"""REINFORCE++ with a reward model: what can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.on_policy import OnPolicy


class ReinforcePlusPlus(OnPolicy):
    """PPO's clipped loss on rewards normalised over the whole batch, without a critic."""

    kind: Literal["reinforce_plus_plus"] = "reinforce_plus_plus"
    cliprange: float = Field(default=0.2, gt=0)
    """The probability ratio of a token is clipped to 1 ± this."""
    baseline: Literal["none", "group_mean"] = "none"
    """``none``: KL in the reward (k1), returns normalised over the batch's tokens. ``group_mean``:
    the mean of a prompt's responses is taken off first, and the KL is in the loss (k2)."""

    @model_validator(mode="after")
    def _the_baseline_has_a_group(self) -> Self:
        if self.baseline == "group_mean" and self.samples < 2:
            raise ValueError(
                'baseline = "group_mean" takes off the mean of a prompt\'s responses and '
                'samples = 1 leaves nothing: set samples to 2 or more, or baseline = "none"'
            )
        return self
