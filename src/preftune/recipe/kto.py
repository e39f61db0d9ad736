"""Kahneman–Tversky optimisation: what can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.offline import OfflineSettings, WithReference
from preftune.recipe.sections import Source


class KTO(WithReference, OfflineSettings):
    """Learns from single answers called desirable or undesirable."""

    kind: Literal["kto"] = "kto"
    train: Source
    """``{"prompt","completion","label"}`` rows, or comparisons: the chosen answer is desirable, the
    rejected one is not."""
    beta: float = Field(default=0.1, gt=0)
    """How steeply value saturates with the log-ratio."""
    desirable_weight: float = Field(default=1.0, ge=0)
    """λ_D."""
    undesirable_weight: float = Field(default=1.0, ge=0)
    """λ_U. With n_D desirable and n_U undesirable answers, λ_D n_D / (λ_U n_U) between 1 and 3/2
    is advised."""

    @model_validator(mode="after")
    def _something_weighs(self) -> Self:
        if self.desirable_weight == 0 and self.undesirable_weight == 0:
            raise ValueError(
                "desirable_weight and undesirable_weight are both 0, so nothing is learned: "
                "raise one"
            )
        return self
