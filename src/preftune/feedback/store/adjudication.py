"""Items the annotators disagree about, decided by a lead; the votes stay as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Item, Judgment

ErrorKind = Literal["", "ambiguous", "guideline_gap", "annotator_error", "edge_case", "subjective"]


@dataclass(frozen=True, slots=True)
class Disputed:
    """An item in the queue. ``votes`` is empty until the lead has said their own blind answer."""

    item: Item
    disagreement: float
    votes: tuple[Judgment, ...]
    blind: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A lead's decision about an item."""

    item_number: int
    annotator_id: int
    stage: Literal["blind", "final"]
    answer: Mapping[str, Any]
    confidence: str
    error_kind: str
    note: str
    guideline_change: bool
    created_at: float


def queue(store: Store, project_id: int, *, annotator_id: int, limit: int = 50) -> list[Disputed]:
    """Undecided items with all their judgments in, most disputed first."""
    raise NotImplementedError


def look(store: Store, item_number: int, *, annotator_id: int) -> Disputed:
    """One item of the queue: the votes only after this lead's blind answer."""
    raise NotImplementedError


def say_blind(
    store: Store, item_number: int, *, annotator_id: int, answer: Mapping[str, Any]
) -> Disputed:
    """The lead's own answer before seeing the votes; the item with its votes."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Ruling:
    """What ``decide`` stores."""

    answer: Mapping[str, Any]
    confidence: Literal["", "low", "medium", "high"] = ""
    error_kind: ErrorKind = ""
    note: str = ""
    guideline_change: bool = False


def decide(store: Store, item_number: int, ruling: Ruling, *, annotator_id: int) -> Decision:
    """The final decision. Forbidden before the blind answer; deciding again appends."""
    raise NotImplementedError


def decisions(store: Store, project_id: int) -> list[Decision]:
    """All decisions, oldest first."""
    raise NotImplementedError
