"""Guidelines: Markdown with versions; every judgment names the version it was made under."""

from dataclasses import dataclass

from preftune.feedback.store.engine import Store


@dataclass(frozen=True, slots=True)
class Guideline:
    """One version. ``changes`` is what the author says is new."""

    version: int
    text: str
    changes: str
    actor: str
    published_at: float


def publish(store: Store, project_id: int, text: str, *, actor: str, changes: str = "") -> int:
    """A new version; its number. The same text again is no new version."""
    raise NotImplementedError


def current(store: Store, project_id: int) -> Guideline:
    """The latest version."""
    raise NotImplementedError


def versions(store: Store, project_id: int) -> list[Guideline]:
    """All versions, oldest first."""
    raise NotImplementedError


def changes(store: Store, project_id: int, since: int) -> list[Guideline]:
    """The versions after ``since``, oldest first."""
    raise NotImplementedError


def seen(store: Store, project_id: int, annotator_id: int) -> int:
    """The last version this person opened, 0 for none."""
    raise NotImplementedError


def mark_seen(store: Store, project_id: int, annotator_id: int, version: int) -> None:
    """Remembers that this person opened the version."""
    raise NotImplementedError
