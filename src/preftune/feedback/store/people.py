"""Annotators and their accounts. Passwords are hashed before any transaction begins."""

from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Annotator, Origin, Role


def add(
    store: Store,
    name: str,
    *,
    actor: str,
    group: str = "",
    origin: Origin = "human",
    version: str = "",
    role: Role = "annotator",
    password: str | None = None,
) -> Annotator:
    """A new labeler. Conflict when the name is taken, BadInput for a password under 10 letters."""
    raise NotImplementedError


def by_id(store: Store, annotator_id: int) -> Annotator:
    """Raises Unknown."""
    raise NotImplementedError


def named(store: Store, name: str) -> Annotator:
    """Raises Unknown."""
    raise NotImplementedError


def all(store: Store) -> list[Annotator]:
    """Everyone, in order of joining, removed ones included (``active`` False)."""
    raise NotImplementedError


def log_in(store: Store, name: str, password: str) -> Annotator | None:
    """The person, or None; takes as long for an unknown name as for a wrong password."""
    raise NotImplementedError


def set_password(store: Store, annotator_id: int, password: str, *, actor: str) -> None:
    """Replaces the password and ends every session of the person."""
    raise NotImplementedError


def change(
    store: Store,
    annotator_id: int,
    *,
    actor: str,
    role: Role | None = None,
    group: str | None = None,
) -> Annotator:
    """Another role or group. The last active admin keeps the role (Forbidden)."""
    raise NotImplementedError


def remove(store: Store, annotator_id: int, *, actor: str) -> None:
    """Ends the account: sessions, tokens, leases; the judgments stay, the name is replaced."""
    raise NotImplementedError
