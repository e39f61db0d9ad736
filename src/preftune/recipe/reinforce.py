"""REINFORCE with a reward model: what can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.on_policy import OnPolicy


class Reinforce(OnPolicy):
    """The plain policy gradient: one step on each batch of fresh responses."""

    kind: Literal["reinforce"] = "reinforce"
    iterations: int = Field(default=160, ge=1)
    """Rounds of sample → score → credit → update."""
    rollouts: int = Field(default=64, ge=1)
    """Responses sampled in an iteration."""
    epochs: int = Field(default=1, ge=1)
    """Passes over an iteration's responses; 1, for there is no ratio to correct later ones."""
    minibatches: int = Field(default=1, ge=1)
    """Optimizer steps in a pass; 1, for the same reason."""
    baseline: Literal["none", "batch_mean", "moving_average"] = "batch_mean"
    """What a reward is compared with: nothing, the batch's mean, or that of earlier batches."""
    baseline_decay: float = Field(default=0.9, ge=0, lt=1)
    """How much of the moving average is kept at each iteration."""

    @model_validator(mode="after")
    def _responses_are_fresh(self) -> Self:
        if self.epochs > 1 or self.minibatches > 1:
            raise ValueError(
                f"epochs = {self.epochs} and minibatches = {self.minibatches} would reuse "
                "responses of an older policy, which REINFORCE has no ratio for: leave both at 1 "
                'with fewer rollouts and more iterations, or use kind = "rloo" or '
                '"reinforce_plus_plus"'
            )
        return self
