"""What a built-in world is: texts made from a seed, and a judge that knows the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from preftune.records import Demonstration, Prompt, Score


@dataclass(frozen=True, slots=True)
class WorldData:
    """Everything a run needs. ``prompts`` maps train, validation and test to their prompts.

    ``documents`` are to pretrain on: under an order card (the prompt, which a machine printed at
    random, so there is nothing to learn of it) what people wrote (the completion).
    """

    prompts: Mapping[str, tuple[Prompt, ...]]
    demonstrations: tuple[Demonstration, ...]
    demonstrations_validation: tuple[Demonstration, ...]
    documents: tuple[Demonstration, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many texts of each kind to make."""

    prompts: Mapping[str, int]
    demonstrations: int
    demonstrations_validation: int
    documents: int


@dataclass(frozen=True, slots=True)
class World:
    """``make(sizes, seed)`` writes the texts; ``judge`` is the gold; ``tie_width`` is in gold.

    ``write(columns, rng)``: one reply to the prompt with these columns, as its demonstrators write.
    """

    make: Callable[[Sizes, int], WorldData]
    judge: Score
    write: Callable[[Mapping[str, Any], np.random.Generator], str]
    tie_width: float
    max_reply_words: int
