"""What people and models write: prompts, demonstrations, completions, comparisons."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation: ``role`` is system, user or assistant."""

    role: str
    content: str


Text = str | tuple[Message, ...]
"""A plain string, or a conversation. A completion of a conversation is the content of one turn."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked, with every column of the dataset row it came from."""

    text: Text
    columns: Mapping[str, Any] = field(default_factory=lambda: NOTHING)

    @property
    def id(self) -> str:
        """The row's own ``id`` column, or a hash of the text: the cluster of this prompt."""
        given = self.columns.get("id")
        if given is not None:
            return str(given)
        return hashlib.sha256(flat(self.text).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Document:
    """Running text to pretrain on (``{"text"}``)."""

    text: str


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A prompt and a completion worth imitating: ``{"prompt","completion"}``, ``{"messages"}``."""

    prompt: Prompt
    completion: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two completions of one prompt and what was said of them.

    ``probability`` is the share of votes (or the stated probability) for ``chosen``, .5 to 1;
    ``margin`` is the Llama 2 margin in score units; ``weight`` multiplies the row's loss.
    ``columns`` holds every column of the dataset row (votes, annotator, slices).
    """

    prompt: Prompt
    chosen: str
    rejected: str
    probability: float = 1.0
    margin: float = 0.0
    weight: float = 1.0
    columns: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Judged:
    """One completion and a yes or no (``{"prompt","completion","label"}``)."""

    prompt: Prompt
    completion: str
    label: bool


@dataclass(frozen=True, slots=True)
class Rewarded:
    """One completion and what it was worth (``{"prompt","completion","reward"}``)."""

    prompt: Prompt
    completion: str
    reward: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """K completions of one prompt with ranks, 1 is best, equal ranks are ties."""

    prompt: Prompt
    completions: tuple[str, ...]
    ranks: tuple[int, ...]
    group_id: str


@dataclass(frozen=True, slots=True)
class Rating:
    """One completion rated on named axes; an axis nobody touched is None."""

    prompt: Prompt
    completion: str
    ratings: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Stepwise:
    """A completion in steps, each labelled (TRL's ``{"prompt","completions","labels"}``).

    A label is 0 (wrong) to 1 (right); None where nobody looked.
    """

    prompt: Prompt
    steps: tuple[str, ...]
    labels: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Vote:
    """One annotator's answer about a pair: ``vote`` is a, b, tie or both_bad."""

    annotator: str
    vote: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class VotedPair:
    """A pair with every vote kept (``{"prompt","response_a","response_b","votes"}``)."""

    prompt: Prompt
    response_a: str
    response_b: str
    votes: tuple[Vote, ...]
    columns: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


class StopReason(StrEnum):
    """Why a completion ended."""

    EOS = "eos"
    """The model wrote its end-of-sequence token; the token is part of ``token_ids``."""
    STOP = "stop"
    """The model wrote another stop token the sampling named; it is part of ``token_ids``."""
    LENGTH = "length"
    """``max_new_tokens`` was reached first: the completion is cut off."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a policy answered.

    ``token_ids`` are the sampled ids including the final stop token where there is one;
    ``logprobs`` are theirs, in nats, under the distribution sampled from (temperature, top-p and
    top-k applied). ``text`` has no special tokens. ``policy_version`` names the exact weights.
    """

    prompt: Prompt
    text: str
    stop_reason: StopReason
    policy_version: str
    prompt_token_ids: tuple[int, ...] = ()
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()


def flat(text: Text) -> str:
    """One string per text, equal only for equal texts: what is hashed, compared and counted."""
    if isinstance(text, str):
        return text
    return json.dumps([[turn.role, turn.content] for turn in text], ensure_ascii=False)
