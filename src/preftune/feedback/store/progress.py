"""How far a project is, how long it took, and what it cost."""

from dataclasses import dataclass

from preftune.feedback.store.engine import Store


@dataclass(frozen=True, slots=True)
class AnnotatorProgress:
    """One person's part of a project; seconds are of activity, not of the clock on the wall."""

    annotator_id: int
    name: str
    group: str
    origin: str
    judgments: int
    skipped: int
    active_seconds: float
    median_seconds: float | None
    last_at: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts over ordinary items; training and gold are apart."""

    items: int
    items_done: int
    places: int
    places_done: int
    places_leased: int
    surplus: int
    revised: int
    skipped: int
    active_seconds: float
    seconds_per_judgment: float | None
    cost: float | None
    annotators: tuple[AnnotatorProgress, ...]


def summary(store: Store, project_id: int) -> Progress:
    """The figures now."""
    raise NotImplementedError


def done_by(store: Store, project_id: int, annotator_id: int, *, since: float = 0.0) -> int:
    """How many judgments this person has made since a time."""
    raise NotImplementedError
