"""What methods that learn from a fixed file of preferences share: what can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.compute import Adapting, no_dropout
from preftune.recipe.sections import Optimizer, Section, Source, TooLong

SMALL = Optimizer(learning_rate=3e-4, warmup_steps=10)
"""For models of about a million parameters."""


class OfflineSettings(Adapting):
    """A policy, rows to learn from, and how the steps are taken."""

    kind: str
    model: Source
    """The policy to start from, usually the SFT model."""
    train: Source
    """The rows to learn from."""
    validation: Source | None = None
    """Held-out rows of other prompts; the step with the lowest loss on them is kept. Without them
    it is the last one."""
    limit: int | None = Field(default=None, ge=1)
    """Use this many rows of ``train`` at most, evenly spaced through the file: stages with the
    same file and limit learn from the same rows."""
    validation_limit: int | None = Field(default=None, ge=1)
    """The same for ``validation``."""
    epochs: int = Field(default=1, ge=1)
    """Passes over the rows at most."""
    batch_size: int = Field(default=64, ge=1)
    """Rows in an optimizer step."""
    max_length: int | None = Field(default=None, ge=2)
    """Longest prompt with completion, in tokens; the model's context if not said."""
    too_long: TooLong = "truncate_prompt_left"
    """What happens to a longer row."""
    skip_bad: int = Field(default=0, ge=0)
    """This many malformed rows may be skipped."""
    evaluate_every: int = Field(default=20, ge=1)
    """Optimizer steps between validation losses."""
    patience: int = Field(default=5, ge=1)
    """Stop after this many validations without a new minimum."""
    micro_batch_tokens: int = Field(default=8192, ge=64)
    """Tokens that go through the network at once; changes memory, not the result."""
    optimizer: Optimizer = SMALL
    """Optimizer of the policy."""
    checkpoint_every: int = Field(default=50, ge=1)
    """Optimizer steps between checkpoints."""

    @model_validator(mode="after")
    def _adapters_without_dropout(self) -> Self:
        no_dropout(self.adapter, self.kind)
        return self


class WithReference(Section):
    """The policy is held to a frozen one."""

    reference: Source | None = None
    """The frozen policy the log-ratios are to; the starting policy if not said."""
    reference_logprobs: Source | None = None
    """What the reference said in another stage or run, its output ``reference``; refused when it
    was another reference. Rows that are not in it are worked out."""


class PairSettings(OfflineSettings):
    """The rows are comparisons."""

    train: Source
    """Comparisons: preference, votes or ranking rows."""
    labels: Literal["hard", "soft"] = "hard"
    """``hard``: the majority decides. ``soft``: the share of votes is the target probability."""
