"""Direct preference optimisation: what can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.offline import PairSettings, WithReference


class DPO(WithReference, PairSettings):
    """Raises the chosen answer's log-ratio to the reference over the rejected one's."""

    kind: Literal["dpo"] = "dpo"
    beta: float = Field(default=0.1, gt=0)
    """Strength of the hold to the reference: the optimum is π_ref exp(r/β)."""
    loss: Literal["sigmoid", "cdpo", "robust", "hinge"] = "sigmoid"
    """``sigmoid``: Rafailov et al. ``cdpo``: targets smoothed by ``label_smoothing``. ``robust``:
    unbiased when labels were flipped at that rate. ``hinge``: SLiC's."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """ε of ``cdpo`` and ``robust``: the share of labels thought wrong."""
    rpo_alpha: float = Field(default=0.0, ge=0)
    """Weight of the chosen answer's negative log-likelihood a token (RPO: 1; Llama 3: .2)."""
    logprobs: Literal["sum", "mean"] = "sum"
    """Log-probabilities summed over the response, or their mean a token (Tülu 3, with β 5)."""

    @model_validator(mode="after")
    def _smoothing_has_a_loss(self) -> Self:
        if self.label_smoothing and self.loss in ("sigmoid", "hinge"):
            raise ValueError(
                f"label_smoothing does nothing with loss = {self.loss!r}: "
                'set loss = "cdpo" or loss = "robust"'
            )
        return self
