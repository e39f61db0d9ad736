"""DAPO with a reward model: what can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.groups import ClippedGroups, LossAggregation
from preftune.recipe.on_policy import FixedKL, KeepMissingEOS, KLControl, MissingEOS


class DAPO(ClippedGroups):
    """GRPO without a KL penalty: a wider upper clip, mean over tokens, groups with spread."""

    kind: Literal["dapo"] = "dapo"
    cliprange_high: float = Field(default=0.28, gt=0)
    """The probability ratio may rise this far above 1 (clip-higher)."""
    aggregation: LossAggregation = "token_mean"
    """As in GRPO."""
    kl: KLControl = FixedKL(coefficient=0.0)
    """There is none: a coefficient of 0."""
    missing_eos: MissingEOS = KeepMissingEOS()
    """What a response that never ends is worth; the overlong punishment takes 1 off already."""
    overlong_buffer: int | None = Field(default=None, ge=1)
    """The last tokens before ``sampling.max_new_tokens`` in which the punishment grows from 0 to
    −1; a fifth of them if not said."""
    least_spread: float = Field(default=1e-4, ge=0)
    """A group whose scores differ by no more than this is drawn again."""
    refills: int = Field(default=3, ge=0)
    """How often an iteration may draw again; then it takes groups without spread too."""

    @property
    def buffer(self) -> int:
        """Tokens of the overlong buffer."""
        return self.overlong_buffer or max(self.sampling.max_new_tokens // 5, 1)

    @model_validator(mode="after")
    def _no_kl(self) -> Self:
        if self.kl.kind != "fixed" or self.kl.coefficient > 0:
            raise ValueError(
                "kl is no part of DAPO, which has no reference: leave it out, or use "
                'kind = "grpo" with aggregation = "token_mean" and cliprange_high = 0.28'
            )
        return self

    @model_validator(mode="after")
    def _buffer_fits(self) -> Self:
        if self.buffer > self.sampling.max_new_tokens:
            raise ValueError(
                f"overlong_buffer = {self.buffer} is longer than sampling.max_new_tokens = "
                f"{self.sampling.max_new_tokens}: every response would be punished; lower it"
            )
        return self
