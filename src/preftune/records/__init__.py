"""The nouns of preftune and the protocols between its rooms. Frozen; numpy at most."""

from preftune.records.errors import BadInput, GateRefused, PreftuneError, RunFailed, Waiting
from preftune.records.estimates import Estimate
from preftune.records.protocols import Axes, Choose, Generate, Label, Sampling, Score
from preftune.records.texts import (
    Comparison,
    Completion,
    Demonstration,
    Document,
    Judged,
    Message,
    Prompt,
    Ranking,
    Rating,
    Rewarded,
    Stepwise,
    StopReason,
    Text,
    Vote,
    VotedPair,
    flat,
)

__all__ = [
    "Axes",
    "BadInput",
    "Choose",
    "Comparison",
    "Completion",
    "Demonstration",
    "Document",
    "Estimate",
    "GateRefused",
    "Generate",
    "Judged",
    "Label",
    "Message",
    "PreftuneError",
    "Prompt",
    "Ranking",
    "Rating",
    "Rewarded",
    "RunFailed",
    "Sampling",
    "Score",
    "Stepwise",
    "StopReason",
    "Text",
    "Vote",
    "VotedPair",
    "Waiting",
    "flat",
]
