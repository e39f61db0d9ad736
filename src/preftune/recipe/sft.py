"""Supervised fine-tuning on demonstrations: what can be set."""

from typing import Literal

from pydantic import Field

from preftune.recipe.compute import Adapting
from preftune.recipe.sections import Optimizer, Source, TooLong


class SFT(Adapting):
    """Next-token prediction on completions only; the best step on validation loss is kept."""

    kind: Literal["sft"] = "sft"
    model: Source
    """The model to start from."""
    train: Source
    """Demonstrations: ``{"prompt","completion"}`` or ``{"messages"}``."""
    validation: Source | None = None
    """Held-out demonstrations; without them the last step is kept."""
    epochs: int = Field(default=3, ge=1)
    """Passes over the demonstrations at most."""
    batch_size: int = Field(default=32, ge=1)
    """Demonstrations in an optimizer step."""
    max_length: int | None = Field(default=None, ge=2)
    """Longest prompt with completion, in tokens; the model's context if not said."""
    too_long: TooLong = "truncate_prompt_left"
    """What happens to a longer row."""
    skip_bad: int = Field(default=0, ge=0)
    """This many malformed rows may be skipped."""
    evaluate_every: int = Field(default=10, ge=1)
    """Optimizer steps between validation losses."""
    patience: int = Field(default=3, ge=1)
    """Stop after this many validations without a new minimum."""
    micro_batch_tokens: int = Field(default=8192, ge=64)
    """Tokens that go through the network at once; changes memory, not the result."""
    optimizer: Optimizer = Optimizer(learning_rate=5e-4, warmup_steps=5)
    """Optimizer of the policy."""
    checkpoint_every: int = Field(default=50, ge=1)
    """Optimizer steps between checkpoints."""
