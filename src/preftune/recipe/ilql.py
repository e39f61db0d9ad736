"""Implicit language Q-learning from rewarded text: what can be set."""

from typing import Literal

from pydantic import Field

from preftune.recipe.compute import Adapting
from preftune.recipe.sections import Optimizer, Source, TooLong


class ILQL(Adapting):
    """Learns what tokens are worth from text with rewards, and decodes by it; nothing is sampled.

    Of comparisons the chosen side has reward +1 and the rejected one −1.
    """

    kind: Literal["ilql"] = "ilql"
    model: Source
    """The model to start from, usually the SFT model; it gets value heads."""
    train: Source
    """Rows with ``prompt``, ``completion`` and ``reward``, or comparisons."""
    limit: int | None = Field(default=None, ge=1)
    """Use this many rows of ``train`` at most, evenly spaced through the file: stages with the
    same file and limit learn from the same rows."""
    normalise_rewards: bool = True
    """Rewards get mean 0 and standard deviation 1 over the rows."""
    epochs: int = Field(default=2, ge=1)
    """Passes over the rows."""
    batch_size: int = Field(default=32, ge=1)
    """Completions in an optimizer step."""
    tau: float = Field(default=0.7, ge=0.5, lt=1)
    """Expectile of Q that V learns: .5 is the mean, towards 1 the maximum over tokens seen."""
    gamma: float = Field(default=0.99, gt=0, le=1)
    """Discount a token."""
    conservative: float = Field(default=0.1, ge=0)
    """Weight of the CQL term, which holds down the Q of tokens that nobody wrote."""
    imitation: float = Field(default=1.0, ge=0)
    """Weight of the imitation (AWAC) term, which trains the policy itself."""
    imitation_beta: float = Field(default=0.0, ge=0)
    """A token is imitated by exp(this · (Q − V)); 0 imitates all alike."""
    target_share: float = Field(default=0.005, gt=0, le=1)
    """Share of the way that the slow Q heads go to the learning ones, each time they move."""
    target_every: int = Field(default=1, ge=1)
    """Optimizer steps between moves of the slow Q heads."""
    value_guidance: float = Field(default=1.0, ge=0)
    """β the model is decoded with where nothing else is said: log π + β (Q − V)."""
    max_length: int | None = Field(default=None, ge=2)
    """Longest prompt with completion, in tokens; the model's context if not said."""
    too_long: TooLong = "truncate_prompt_left"
    """What happens to a longer row."""
    skip_bad: int = Field(default=0, ge=0)
    """This many malformed rows may be skipped."""
    micro_batch_tokens: int = Field(default=8192, ge=64)
    """Tokens that go through the network at once; changes memory, not the result."""
    optimizer: Optimizer = Optimizer(learning_rate=1e-4, warmup_steps=5)
    """Optimizer of the policy, whose states the value heads read."""
    value_optimizer: Optimizer = Optimizer(learning_rate=1e-3, warmup_steps=5)
    """Optimizer of the value heads."""
    checkpoint_every: int = Field(default=50, ge=1)
    """Optimizer steps between checkpoints."""
