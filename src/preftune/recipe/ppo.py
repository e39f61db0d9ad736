"""PPO with a reward model: what can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.on_policy import Clipped
from preftune.recipe.sections import Section, Source


class PretrainingMix(Section):
    """Pretraining text learned in the same optimizer steps (InstructGPT's PPO-ptx)."""

    data: Source | None = None
    """Text to mix in, usually what the base model was pretrained on."""
    coefficient: float = Field(default=27.8, ge=0)
    """Weight of the text's loss, nats a token, beside PPO's; 0 is off."""
    ratio: int = Field(default=8, ge=1)
    """Documents for each response of an optimizer step."""

    @model_validator(mode="after")
    def _text_is_named(self) -> Self:
        if self.coefficient and self.data is None:
            raise ValueError(
                "ptx mixes in pretraining text and ptx.data names none: name a file with a text "
                "column, or set ptx.coefficient = 0"
            )
        return self


class PPO(Clipped):
    """Proximal policy optimisation: clipped steps on advantages from a learned value."""

    kind: Literal["ppo"] = "ppo"
    dual_clip: float | None = Field(default=None, gt=1)
    """Bound on the loss of a token with a negative advantage, as a multiple of it; 3 is usual."""
    entropy_coef: float = Field(default=0.0, ge=0)
    """Weight of the mean entropy over response tokens, which is then rewarded."""
    ptx: PretrainingMix | None = None
    """Pretraining text mixed in against forgetting."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """The saved weights are a moving average that keeps this share of itself every iteration."""
