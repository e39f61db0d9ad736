"""Self-play fine-tuning: what can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.compute import no_dropout
from preftune.recipe.engine import FromEngine
from preftune.recipe.sections import Optimizer, SamplingSettings, Source, TooLong


class SPIN(FromEngine):
    """DPO of demonstrations over the answers of the previous iterate, round after round."""

    kind: Literal["spin"] = "spin"
    model: Source
    """The policy to start from: the SFT model. It is the first opponent."""
    train: Source
    """Demonstrations: ``{"prompt","completion"}`` or ``{"messages"}``."""
    rounds: int = Field(default=3, ge=1)
    """Rounds: in each the policy as it then is answers every prompt and becomes the reference."""
    beta: float = Field(default=0.1, gt=0)
    """λ of the paper; with 1 and full convergence one round reaches the demonstrations."""
    limit: int | None = Field(default=None, ge=1)
    """Use this many rows at most, evenly spaced through the file."""
    epochs: int = Field(default=1, ge=1)
    """Passes over the demonstrations in a round."""
    batch_size: int = Field(default=64, ge=1)
    """Demonstrations in an optimizer step."""
    sampling: SamplingSettings = SamplingSettings()
    """How the opponent's answers are drawn."""
    max_length: int | None = Field(default=None, ge=2)
    """Longest prompt with completion, in tokens; the model's context if not said."""
    too_long: TooLong = "truncate_prompt_left"
    """What happens to a longer row."""
    skip_bad: int = Field(default=0, ge=0)
    """This many malformed rows may be skipped."""
    micro_batch_tokens: int = Field(default=8192, ge=64)
    """Tokens that go through the network at once; changes memory, not the result."""
    optimizer: Optimizer = Optimizer(learning_rate=1e-4, warmup_steps=10)
    """Optimizer of the policy; its schedule spans all rounds."""
    checkpoint_every: int = Field(default=50, ge=1)
    """Optimizer steps between checkpoints."""

    @model_validator(mode="after")
    def _adapters_without_dropout(self) -> Self:
        no_dropout(self.adapter, self.kind)
        return self

    @model_validator(mode="after")
    def _plays_itself(self) -> Self:
        if self.sampling.temperature == 0:
            raise ValueError(
                "sampling.temperature = 0 contradicts self-play, whose opponent is the whole "
                "distribution of the previous iterate: set it above 0"
            )
        return self
