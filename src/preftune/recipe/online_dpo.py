"""Online DPO with a reward model: what can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.groups import Groups


class OnlineDPO(Groups):
    """DPO on pairs that the policy has just written and the reward model has labelled."""

    kind: Literal["online_dpo"] = "online_dpo"
    samples: int = Field(default=2, ge=1)
    """Responses to each prompt: the two sides of a pair."""
    labels: Literal["probability", "higher"] = "probability"
    """``probability``: the pair counts by σ of the difference of its scores; ``higher``: the higher
    score is chosen, by however little."""

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if self.samples != 2:
            raise ValueError(
                f"samples = {self.samples} makes no pair, which has 2 sides: set samples = 2, "
                'or use kind = "rloo" or "grpo" for larger groups'
            )
        if self.rollouts % (2 * self.minibatches):
            raise ValueError(
                f"minibatches = {self.minibatches} splits pairs: choose a divisor of "
                f"rollouts / 2 = {self.rollouts // 2}"
            )
        return self

    @model_validator(mode="after")
    def _beta_is_there(self) -> Self:
        if self.kl.coefficient == 0:
            raise ValueError(
                "kl.coefficient = 0 is DPO's β, and with 0 the loss teaches nothing: set it above 0"
            )
        return self
