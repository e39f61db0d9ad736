"""What one room may ask of another, all synchronous: generate, choose, score, label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from preftune.records.texts import Completion, Prompt, VotedPair


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw completions.

    ``temperature`` 0 is greedy. ``top_p`` 1 and ``top_k`` 0 mean off. ``stop_token_ids`` end a
    completion besides the model's own end-of-sequence token. ``value_guidance`` is β of
    log π + β (Q − V) for a model with value heads; 0 is off. The same ``seed`` with the same
    prompts and weights gives the same tokens.
    """

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    stop_token_ids: tuple[int, ...] = ()
    seed: int = 0
    value_guidance: float = 0.0


Axes = Mapping[str, float]


class Generate(Protocol):
    """One completion for each prompt, in the prompts' order (repeat a prompt for more)."""

    def __call__(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]: ...


class Choose(Protocol):
    """Probabilities over named options for one prompt; they sum to 1."""

    def __call__(self, prompt: Prompt, options: Sequence[str]) -> dict[str, float]: ...


@runtime_checkable
class Score(Protocol):
    """Named axes for each completion, or None where the judge does not apply.

    ``origin`` says whose opinion it is: ``model`` (a trained reward model), ``rule``, ``judge``,
    ``people`` or ``gold``. Nothing of origin ``gold`` may be trained on.
    """

    @property
    def origin(self) -> str: ...

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]: ...


class Label(Protocol):
    """Adds votes to pairs: people, simulated labelers, or a judge."""

    def __call__(self, pairs: Sequence[VotedPair]) -> list[VotedPair]: ...
