"""The audit log: what happened, in one chain of hashes nobody can change unnoticed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from preftune.feedback.store.engine import Store


@dataclass(frozen=True, slots=True)
class Verdict:
    """``ok``, how many events, the last hash, and the first thing that is wrong."""

    ok: bool
    events: int
    head: str
    wrong: str


def append(
    connection: Connection,
    *,
    actor: str,
    kind: str,
    payload: Mapping[str, Any],
    project_id: int | None,
    at: float,
) -> int:
    """Adds an event inside the write transaction that it tells of; its number."""
    raise NotImplementedError


def verify(store: Store) -> Verdict:
    """Walks the whole chain, and checks every judgment against the event that recorded it."""
    raise NotImplementedError
