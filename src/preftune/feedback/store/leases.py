"""Leases: who has which item, until when."""

from collections.abc import Mapping
from typing import Any

from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Assignment, Nothing, Purpose


def take(
    store: Store,
    *,
    project_id: int,
    annotator_id: int,
    purpose: Purpose = "work",
    now: float | None = None,
) -> Assignment | Nothing:
    """An item for this person, leased in one write transaction.

    ``work`` gives the item they hold already, if any (a reload shows the same), else the next.
    ``prefetch`` gives a second one beside it. ``training`` gives the next lesson. Nobody holds
    more than two. Hidden gold comes in between, by the project's share.
    """
    raise NotImplementedError


def current(store: Store, assignment_id: int, annotator_id: int) -> Assignment:
    """An assignment of this person again, live or not. Raises Unknown, Forbidden."""
    raise NotImplementedError


def heartbeat(
    store: Store, assignment_id: int, lease_token: str, *, now: float | None = None
) -> float:
    """Renews the lease; the new ``lease_until``. An expired lease nobody took lives again."""
    raise NotImplementedError


def release(
    store: Store, assignment_id: int, lease_token: str, *, now: float | None = None
) -> None:
    """Gives the item back; the same person may get it again. Doing it twice is no error."""
    raise NotImplementedError


def skip(
    store: Store, assignment_id: int, lease_token: str, *, reason: str, now: float | None = None
) -> None:
    """Gives the item back for others, with a reason; this person will not see it again."""
    raise NotImplementedError


def save_draft(
    store: Store,
    assignment_id: int,
    lease_token: str,
    draft: Mapping[str, Any],
    *,
    now: float | None = None,
) -> float:
    """Keeps what was entered so far; when it was saved. Also raises LeaseLost, and keeps it."""
    raise NotImplementedError
