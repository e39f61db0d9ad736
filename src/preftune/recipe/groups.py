"""What algorithms that compare responses to one prompt share: groups, the clip, the mean."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.on_policy import OnPolicy

LossAggregation = Literal["sequence_mean", "token_mean", "constant", "local_token_mean"]


class Groups(OnPolicy):
    """Several responses to each prompt; each is measured against the others."""

    samples: int = Field(default=4, ge=1)
    """Responses to each prompt; at least 2."""

    @model_validator(mode="after")
    def _there_are_others(self) -> Self:
        if self.samples < 2:
            raise ValueError(
                "samples = 1 leaves nothing to compare a response with: set samples to 2 or more, "
                'or use kind = "reinforce" or "ppo"'
            )
        return self


class ClippedGroups(Groups):
    """A clipped ratio at every token, KL in the loss, and a named mean over tokens."""

    cliprange_low: float = Field(default=0.2, gt=0)
    """The probability ratio may fall this far below 1."""
    cliprange_high: float = Field(default=0.2, gt=0)
    """The probability ratio may rise this far above 1."""
    aggregation: LossAggregation = "sequence_mean"
    """``sequence_mean``: responses count the same; ``token_mean``: tokens do; ``constant``: the sum
    over ``sampling.max_new_tokens``; ``local_token_mean`` depends on ``micro_batch_tokens``."""
    kl_estimator: Literal["k1", "k2", "k3", "k3_weighted"] = "k3"
    """The KL's estimator in the loss. ``k2`` and ``k3_weighted`` (by the ratio to the rollout
    policy) have the gradient of the reverse KL, ``k3`` that of the forward KL; ``k1`` has none and
    is refused."""

    @model_validator(mode="after")
    def _kl_has_a_gradient(self) -> Self:
        if self.kl_estimator == "k1":
            raise ValueError(
                'kl_estimator = "k1" has an expected gradient of zero in the loss, so nothing '
                'would hold the policy to the reference: use "k2", "k3" or "k3_weighted", '
                'or kind = "rloo", which has k1 in the reward'
            )
        return self
