"""Rejection sampling: fine-tuning on the best of several own responses. What can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.engine import FromEngine
from preftune.recipe.rewards import SeveralObjectives
from preftune.recipe.sections import (
    Optimizer,
    SamplingSettings,
    ScheduledEvaluation,
    Section,
    Source,
    TooLong,
)


class Percentile(Section):
    """A threshold that rises from round to round, linearly."""

    start: float = Field(default=0.7, ge=0, le=1)
    """Share of a prompt's responses below the threshold, in the first round."""
    end: float = Field(default=0.95, ge=0, le=1)
    """The same in the last round."""


class RejectionSampling(FromEngine, SeveralObjectives):
    """Rounds of: sample K responses a prompt, keep the best by reward, fine-tune on what is kept.

    Llama 2's rounds as they stand; with ``accumulate = false`` RAFT.
    """

    kind: Literal["rejection_sampling"] = "rejection_sampling"
    policy: Source
    """The model to optimise, usually the SFT model."""
    prompts: Source
    """Prompts to answer; any file with a ``prompt`` column."""
    rounds: int = Field(default=4, ge=1)
    """Rounds of sample → keep → fine-tune."""
    prompts_per_round: int | None = Field(default=None, ge=1)
    """The next so many prompts in each round; all of them if not said."""
    samples: int = Field(default=8, ge=2)
    """Responses to each prompt: K."""
    percentile: Percentile | None = None
    """Keep every response at or above this percentile of its prompt's scores, not only the best."""
    accumulate: bool = True
    """Fine-tune on what was kept in all rounds so far, not in the last one only."""
    dedupe: bool = True
    """A response that was kept twice for one prompt counts once."""
    drop_unfinished: bool = True
    """A response that was cut off is never kept: the policy would learn not to end."""
    epochs: int = Field(default=1, ge=1)
    """Passes of each round over what is kept."""
    batch_size: int = Field(default=32, ge=1)
    """Responses in an optimizer step."""
    sampling: SamplingSettings = SamplingSettings()
    """How responses are drawn."""
    max_prompt_length: int | None = Field(default=None, ge=1)
    """Longest prompt, in tokens; what the context leaves if not said."""
    too_long: TooLong = "truncate_prompt_left"
    """What happens to a longer prompt."""
    micro_batch_tokens: int = Field(default=8192, ge=64)
    """Tokens that go through the network at once; changes memory, not the result."""
    optimizer: Optimizer = Optimizer(learning_rate=3e-4, warmup_steps=5)
    """Optimizer of the policy; every round starts it and its schedule anew."""
    evaluation: ScheduledEvaluation | None = None
    """Win rate during training; ``every`` counts rounds."""
    checkpoint_every: int = Field(default=1, ge=1)
    """Rounds between checkpoints."""

    @model_validator(mode="after")
    def _no_constraints(self) -> Self:
        for name, reward in self.rewards.items():
            if reward.constraint is not None:
                raise ValueError(
                    f"rewards.{name}.constraint needs a method that follows a multiplier from "
                    "iteration to iteration: use ppo, rloo or another on-policy kind, or a gate"
                )
        return self

    @model_validator(mode="after")
    def _responses_differ(self) -> Self:
        if self.sampling.temperature == 0:
            raise ValueError(
                f"sampling.temperature = 0 makes all {self.samples} responses to a prompt the "
                "same: set it above 0"
            )
        if self.sampling.value_guidance:
            raise ValueError(
                "sampling.value_guidance contradicts learning from the policy's own responses: "
                "leave it out"
            )
        return self
