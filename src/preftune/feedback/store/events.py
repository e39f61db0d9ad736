"""The audit log: what happened, in one chain of hashes nobody can change unnoticed.

hash = SHA-256 of the JSON list [seq, at, actor, kind, project, payload, previous hash]; the first
event's previous hash is 64 zeros. Numbers are given out in the order of commits: whoever sees an
event sees all before it, which is what export watermarks rest on.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, text

from preftune.feedback.store.engine import Store
from preftune.feedback.store.schema import DECISION, EVENT, JUDGMENT
from preftune.feedback.store.statements import Prepared

START = "0" * 64
_LINKED = json.JSONEncoder(separators=(",", ":")).encode
_WRITTEN = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
CHAIN_LOCK = 0x70726566  # "pref": PostgreSQL's advisory lock on the end of the chain
BLOCK = 1_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """``ok``, how many events, the last hash, and the first thing that is wrong."""

    ok: bool
    events: int
    head: str
    wrong: str


_LAST = Prepared(select(EVENT.c.seq, EVENT.c.hash).order_by(EVENT.c.seq.desc()).limit(1))
_ADD = Prepared(insert(EVENT))
_LOCK = Prepared(text(f"SELECT pg_advisory_xact_lock({CHAIN_LOCK})"))


def append(
    connection: Connection,
    *,
    actor: str,
    kind: str,
    payload: Mapping[str, Any],
    project_id: int | None,
    at: float,
) -> int:
    """Adds an event inside the write transaction that it tells of; its number.

    Call it last but for what needs the number: on PostgreSQL it holds the end of the chain until
    the commit.
    """
    if connection.dialect.name != "sqlite":
        _LOCK.all(connection, {})
    last, previous = head(connection)
    seq = last + 1
    written = _WRITTEN(payload)
    _ADD.change(
        connection,
        {
            "seq": seq,
            "at": at,
            "actor": actor,
            "kind": kind,
            "project_id": project_id,
            "payload": written,
            "prev_hash": previous,
            "hash": link(seq, at, actor, kind, project_id, written, previous),
        },
    )
    return seq


def link(*fields: object) -> str:
    """The hash of an event's fields, in the order of the columns."""
    return hashlib.sha256(_LINKED(fields).encode()).hexdigest()


_JUDGMENT_COLUMNS = sorted(column.name for column in JUDGMENT.c if column.name != "seq")


def judgment_digest(row: Mapping[str, Any]) -> str:
    """The hash of what a judgment's row holds, as its event records it."""
    return link(*(row[name] for name in _JUDGMENT_COLUMNS))


def decision_digest(row: Mapping[str, Any]) -> str:
    """The hash of what a decision's row holds, as its event records it."""
    names = sorted(column.name for column in DECISION.c if column.name not in ("seq", "id"))
    return link(*(row[name] for name in names))


def head(connection: Connection) -> tuple[int, str]:
    """The last event's number and hash; (0, zeros) before the first."""
    last = _LAST.first(connection, {})
    return (int(last[0]), str(last[1])) if last else (0, START)


def verify(store: Store) -> Verdict:
    """Walks the whole chain, and checks every judgment and decision against its event."""
    with store.reading() as connection:
        end, tip = head(connection)
        wrong = _first_wrong(connection, end) or _stray(connection, end)
    return Verdict(not wrong, end, tip, wrong)


def _first_wrong(connection: Connection, end: int) -> str:
    previous, expected, digests = START, 1, _digests(connection, 1)
    for event in _chain(connection, end):
        if (expected - 1) % BLOCK == 0:
            digests = _digests(connection, expected)
        wrong = _wrong(event, expected, previous, digests)
        if wrong:
            return wrong
        previous, expected = event.hash, expected + 1
    return "" if expected == end + 1 else f"Event {expected} is missing."


def _chain(connection: Connection, end: int) -> Iterator[Row[Any]]:
    for start in range(1, end + 1, BLOCK):
        block = select(EVENT).where(EVENT.c.seq.between(start, start + BLOCK - 1))
        yield from connection.execute(block.order_by(EVENT.c.seq)).all()


def _digests(connection: Connection, start: int) -> dict[int, str]:
    """The digest of every judgment and decision an event of this block tells of."""
    found: dict[int, str] = {}
    for table, digest in ((JUDGMENT, judgment_digest), (DECISION, decision_digest)):
        chosen = select(table).where(table.c.seq.between(start, start + BLOCK - 1))
        for row in connection.execute(chosen).mappings():
            found[row["seq"]] = digest(dict(row))
    return found


def _wrong(event: Row[Any], expected: int, previous: str, digests: Mapping[int, str]) -> str:
    if event.seq != expected:
        return f"Event {expected} is missing."
    if event.prev_hash != previous:
        return f"Event {event.seq} does not follow the one before it."
    if event.hash != link(*event[:7]):
        return f"Event {event.seq} was changed."
    recorded = json.loads(event.payload).get("row")
    if recorded is not None and event.seq not in digests:
        return f"What event {event.seq} recorded is gone."
    if digests.get(event.seq) != recorded:
        return f"What event {event.seq} recorded was changed."
    return ""


def _stray(connection: Connection, end: int) -> str:
    """A judgment or decision whose event is none, or was never there."""
    for table in (JUDGMENT, DECISION):
        row = connection.execute(select(table.c.seq).where(table.c.seq > end)).first()
        if row is not None:
            return f"A row of {table.name} names event {row.seq}, which is not there."
    return ""
