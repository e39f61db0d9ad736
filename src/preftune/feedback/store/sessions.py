"""Browser sessions and fixed-window rate limits. A secret is stored as its hash only."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from preftune.feedback.store import people
from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Annotator
from preftune.feedback.store.schema import ANNOTATOR, RATE, SESSION

IDLE_SECONDS = 12 * 3600.0
ABSOLUTE_SECONDS = 7 * 24 * 3600.0
SEEN_EVERY = 60.0
"""The time a session was last seen is written this often at most."""
HANDLE_LETTERS = 12
AGENT_LETTERS = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A logged-in browser. ``handle`` names it in lists; it is no secret."""

    handle: str
    annotator: Annotator
    csrf: str
    agent: str
    created_at: float
    seen_at: float


def hashed(secret: str) -> str:
    """How a secret of 256 random bits is stored."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def start(store: Store, annotator_id: int, *, agent: str = "", now: float | None = None) -> str:
    """A new session; its 256-bit secret, to be sent once."""
    secret = secrets.token_urlsafe(32)

    def work(connection: Connection) -> None:
        at = now if now is not None else store.now(connection)
        row = {"token_hash": hashed(secret), "annotator_id": annotator_id, "seen_at": at}
        row |= {"csrf": secrets.token_urlsafe(32), "agent": agent[:AGENT_LETTERS], "created_at": at}
        connection.execute(insert(SESSION).values(**row))

    store.write(work)
    return secret


def _live(now: float) -> Select[Any]:
    return (
        select(
            SESSION.c.token_hash,
            SESSION.c.annotator_id,
            SESSION.c.csrf,
            SESSION.c.agent,
            SESSION.c.created_at,
            SESSION.c.seen_at,
        )
        .join(ANNOTATOR, ANNOTATOR.c.id == SESSION.c.annotator_id)
        .where(
            SESSION.c.ended_at.is_(None),
            ANNOTATOR.c.active,
            SESSION.c.seen_at > now - IDLE_SECONDS,
            SESSION.c.created_at > now - ABSOLUTE_SECONDS,
        )
    )


def find(store: Store, secret: str, *, now: float | None = None) -> Session | None:
    """The live session: not idle for 12 hours, not older than 7 days, the person active."""
    token = hashed(secret)
    with store.reading() as connection:
        at = now if now is not None else store.now(connection)
        row = connection.execute(_live(at).where(SESSION.c.token_hash == token)).first()
        if row is None:
            return None
        session = _session(connection, row)
    if at - session.seen_at >= SEEN_EVERY:
        seen = update(SESSION).where(SESSION.c.token_hash == token, SESSION.c.seen_at < at)
        store.write(lambda connection: connection.execute(seen.values(seen_at=at)))
    return session


def _session(connection: Connection, row: Row[Any]) -> Session:
    person = people.by_id_in(connection, row.annotator_id)
    handle = row.token_hash[:HANDLE_LETTERS]
    return Session(handle, person, row.csrf, row.agent, row.created_at, row.seen_at)


def end(store: Store, secret: str, *, now: float | None = None) -> None:
    """Logs out. Leases of the person are released."""
    mine = SESSION.c.token_hash == hashed(secret)

    def work(connection: Connection) -> None:
        at = now if now is not None else store.now(connection)
        person = connection.scalar(
            select(SESSION.c.annotator_id).where(mine, SESSION.c.ended_at.is_(None))
        )
        if person is None:
            return
        connection.execute(update(SESSION).where(mine).values(ended_at=at))
        people.release_all(connection, person)

    store.write(work)


def of_person(store: Store, annotator_id: int, *, now: float | None = None) -> list[Session]:
    """The person's live sessions, the newest first."""
    with store.reading() as connection:
        at = now if now is not None else store.now(connection)
        chosen = _live(at).where(SESSION.c.annotator_id == annotator_id)
        rows = connection.execute(chosen.order_by(SESSION.c.created_at.desc())).all()
        return [_session(connection, row) for row in rows]


def revoke(store: Store, annotator_id: int, handle: str, *, now: float | None = None) -> bool:
    """Ends one of the person's sessions; whether there was one."""

    def work(connection: Connection) -> bool:
        at = now if now is not None else store.now(connection)
        mine = update(SESSION).where(
            SESSION.c.annotator_id == annotator_id,
            SESSION.c.token_hash.startswith(handle, autoescape=True),
            SESSION.c.ended_at.is_(None),
        )
        return connection.execute(mine.values(ended_at=at)).rowcount > 0

    return len(handle) == HANDLE_LETTERS and store.write(work)


def allow(
    store: Store, name: str, *, limit: int, window_seconds: float, now: float | None = None
) -> bool:
    """Counts one more use of ``name`` in the current fixed window; False above ``limit``."""

    def work(connection: Connection) -> int:
        at = now if now is not None else store.now(connection)
        started = at - at % window_seconds
        connection.execute(delete(RATE).where(RATE.c.name == name, RATE.c.started_at < started))
        here = (RATE.c.name == name) & (RATE.c.started_at == started)
        more = update(RATE).where(here).values(count=RATE.c.count + 1)
        if connection.execute(more).rowcount == 0:
            connection.execute(insert(RATE).values(name=name, started_at=started, count=1))
        return int(connection.execute(select(RATE.c.count).where(here)).scalar_one())

    return store.write(work) <= limit
