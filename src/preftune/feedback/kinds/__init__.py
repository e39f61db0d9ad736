"""The kinds of feedback, one file each: one question, one answer, one loss."""

from collections.abc import Mapping
from types import MappingProxyType

from preftune.feedback.kinds.comparison import COMPARISON
from preftune.feedback.kinds.conversation import CONVERSATION
from preftune.feedback.kinds.demonstration import DEMONSTRATION
from preftune.feedback.kinds.flags import FLAGS_KIND
from preftune.feedback.kinds.kind import (
    HOWS,
    Answer,
    Asked,
    Belief,
    How,
    Kind,
    Level,
    Measure,
    Question,
    Said,
)
from preftune.feedback.kinds.ranking import RANKING
from preftune.feedback.kinds.ratings import RATINGS
from preftune.feedback.kinds.rewrite import REWRITE
from preftune.feedback.kinds.rule import RULE
from preftune.feedback.kinds.steps import STEPS
from preftune.feedback.kinds.thumbs import THUMBS
from preftune.records import BadInput

__all__ = [
    "HOWS",
    "KINDS",
    "Answer",
    "Asked",
    "Belief",
    "How",
    "Kind",
    "Level",
    "Measure",
    "Question",
    "Said",
    "kind",
]

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        one.name: one
        for one in (
            COMPARISON,
            RANKING,
            RATINGS,
            THUMBS,
            DEMONSTRATION,
            REWRITE,
            STEPS,
            RULE,
            FLAGS_KIND,
            CONVERSATION,
        )
    }
)


def kind(name: str) -> Kind:
    """The kind of this name. Raises BadInput, naming those there are."""
    if name not in KINDS:
        raise BadInput(
            f'There is no kind of feedback "{name}".', remedy=f"Kinds: {', '.join(KINDS)}."
        )
    return KINDS[name]
