"""Pretraining a small language model from scratch, tokenizer included: what can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.compute import Computing
from preftune.recipe.sections import Optimizer, Section, Source


class Architecture(Section):
    """A transformer configuration built with random weights; the defaults are 1.1 M parameters."""

    family: Literal["llama", "gpt2", "qwen3"] = "llama"
    """Which Hugging Face configuration."""
    hidden_size: int = Field(default=128, ge=8)
    """Width."""
    layers: int = Field(default=4, ge=1)
    """Depth."""
    heads: int = Field(default=4, ge=1)
    """Attention heads; must divide ``hidden_size``."""
    intermediate_size: int = Field(default=352, ge=8)
    """Width inside the feed-forward blocks."""
    initializer_range: float = Field(default=0.02, gt=0)
    """Standard deviation of the fresh weights; small networks learn look-ups sooner from .08."""
    context: int = Field(default=128, ge=16)
    """Longest sequence, in tokens."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout rate written into the configuration (where the family has one)."""
    tie_word_embeddings: bool = True
    """Whether the output head is the table of token embeddings (Press and Wolf 2017). Tied, words
    said in the same places are read as alike, and all that are never said as one."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % self.heads:
            raise ValueError(
                f"heads = {self.heads} does not divide hidden_size = {self.hidden_size}: "
                "choose a divisor"
            )
        return self


class Pretrain(Computing):
    """Next-token prediction on running text."""

    kind: Literal["pretrain"] = "pretrain"
    architecture: Architecture = Architecture()
    """The network."""
    vocab_size: int = Field(default=1024, ge=260)
    """Byte-pair tokens, the 256 bytes and the special tokens included."""
    data: tuple[Source, ...]
    """Files of ``{"text"}`` rows; of ``{"prompt","completion"}`` rows the prompt is only read."""
    packing: Literal["documents", "stream"] = "documents"
    """``documents``: one document a row, ended by end-of-sequence. ``stream``: all text in one
    stream, prompts too, cut into rows of ``context`` tokens."""
    embeddings: Literal["random", "cooccurrence"] = "random"
    """How token embeddings start. ``cooccurrence``: as the leading singular vectors of which
    tokens stand near each other in ``data`` (Levy and Goldberg 2014), seconds of work that
    tell the model which words are alike."""
    steps: int = Field(default=400, ge=0)
    """Optimizer steps; 0 makes the tokenizer and a fresh network only."""
    batch_tokens: int = Field(default=4096, ge=64)
    """Tokens in an optimizer step (at least one row)."""
    optimizer: Optimizer = Optimizer(
        learning_rate=3e-3, warmup_steps=20, weight_decay=0.1, betas=(0.9, 0.95)
    )
    """Optimizer of the network."""
    log_every: int = Field(default=10, ge=1)
    """Steps between rows of metrics."""
    checkpoint_every: int = Field(default=100, ge=1)
    """Optimizer steps between checkpoints."""
