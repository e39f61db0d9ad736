"""Ways in: browser sessions, invite links, tokens for programs; and rate limits.

Every secret is 256 random bits or more and is stored as its hash only.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from preftune.feedback.store import events, people
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Forbidden
from preftune.feedback.store.nouns import ROLES, Annotator, NewAnnotator, Role
from preftune.feedback.store.schema import ANNOTATOR, API_TOKEN, INVITE, RATE, SESSION
from preftune.records import BadInput

IDLE_SECONDS = 12 * 3600.0
ABSOLUTE_SECONDS = 7 * 24 * 3600.0
SEEN_EVERY = 60.0
"""The time a session was last seen is written this often at most."""
INVITE_SECONDS = 7 * 24 * 3600.0
SCOPES = ("label", "read", "manage")
FIRST_RUN = "first run"
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


@dataclass(frozen=True, slots=True)
class Invite:
    """An invitation that can still be used, or not (``used`` or out of time)."""

    role: Role
    group: str
    annotator_id: int | None
    """The person whose password it sets anew; None for a new person."""
    expires_at: float
    used: bool


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token for programs, without its secret."""

    prefix: str
    annotator: Annotator
    scopes: tuple[str, ...]
    created_at: float
    revoked: bool


def invite(
    store: Store,
    *,
    role: Role,
    actor: str,
    group: str = "",
    annotator_id: int | None = None,
    now: float | None = None,
) -> str:
    """A link's secret, good once and for 7 days."""
    if role not in ROLES:
        raise BadInput(f"The role must be one of {', '.join(ROLES)}.")
    secret = secrets.token_urlsafe(32)

    def work(connection: Connection) -> None:
        at = now if now is not None else store.now(connection)
        row: dict[str, Any] = {"token_hash": hashed(secret), "role": role, "group_name": group}
        row |= {"annotator_id": annotator_id, "created_by": actor, "created_at": at}
        connection.execute(insert(INVITE).values(**row, expires_at=at + INVITE_SECONDS))
        events.append(
            connection,
            actor=actor,
            kind="invite.made",
            payload={"role": role, "group": group, "annotator": annotator_id},
            project_id=None,
            at=at,
        )

    store.write(work)
    return secret


def look_up_invite(store: Store, secret: str, *, now: float | None = None) -> Invite | None:
    """The invite, whether or not it can still be used; None for a wrong secret."""
    with store.reading() as connection:
        row = connection.execute(
            select(INVITE).where(INVITE.c.token_hash == hashed(secret))
        ).first()
        at = now if now is not None else store.now(connection)
    if row is None:
        return None
    used = row.used_at is not None or row.expires_at <= at
    return Invite(row.role, row.group_name, row.annotator_id, row.expires_at, used)


def accept_invite(
    store: Store, secret: str, *, name: str, password: str, now: float | None = None
) -> Annotator:
    """Makes the account (or sets the password anew), once. Forbidden when used or out of time."""
    found = look_up_invite(store, secret, now=now)
    if found is None or found.used:
        raise Forbidden("This invitation is not valid any more.", remedy="Ask for a new one.")
    password_hash = people.hash_password(password)

    def work(connection: Connection) -> int:
        at = now if now is not None else store.now(connection)
        mine = update(INVITE).where(
            INVITE.c.token_hash == hashed(secret),
            INVITE.c.used_at.is_(None),
            INVITE.c.expires_at > at,
        )
        if connection.execute(mine.values(used_at=at)).rowcount != 1:
            raise Forbidden("This invitation is not valid any more.", remedy="Ask for a new one.")
        person = found.annotator_id
        if person is None:
            new = NewAnnotator(name, group=found.group, role=found.role)
            person = people.add_in(connection, store, new, "invite", password_hash)
        else:
            people.set_password_in(connection, store, person, password_hash, "invite")
        used = update(INVITE).where(INVITE.c.token_hash == hashed(secret))
        connection.execute(used.values(used_by=person))
        return person

    return people.by_id(store, store.write(work))


def first_run_secret(store: Store, *, now: float | None = None) -> str | None:
    """While there is no admin: the secret of a one-time admin invite, older ones ended."""
    with store.reading() as connection:
        admins = select(func.count()).where(ANNOTATOR.c.role == "admin", ANNOTATOR.c.active)
        if connection.execute(admins).scalar_one():
            return None
    store.write(lambda connection: _end_first_runs(connection, store, now))
    return invite(store, role="admin", actor=FIRST_RUN, now=now)


def _end_first_runs(connection: Connection, store: Store, now: float | None) -> None:
    at = now if now is not None else store.now(connection)
    open_ones = (INVITE.c.created_by == FIRST_RUN) & INVITE.c.used_at.is_(None)
    connection.execute(update(INVITE).where(open_ones).values(used_at=at))


def issue_token(store: Store, annotator_id: int, *, scopes: tuple[str, ...], actor: str) -> str:
    """An API token ``pft_PREFIX_SECRET``, shown once. Scopes: label, read, manage."""
    if not scopes or not set(scopes) <= set(SCOPES):
        raise BadInput(f"The scopes are some of {', '.join(SCOPES)}.")
    prefix, secret = secrets.token_hex(6), secrets.token_hex(32)

    def work(connection: Connection) -> None:
        person = people.by_id_in(connection, annotator_id)
        if not person.active:
            raise Forbidden("This account has been removed.")
        at = store.now(connection)
        row = {"prefix": prefix, "token_hash": hashed(secret), "annotator_id": annotator_id}
        words = " ".join(sorted(scopes))
        connection.execute(insert(API_TOKEN).values(**row, scopes=words, created_at=at))
        events.append(
            connection,
            actor=actor,
            kind="token.issued",
            payload={"annotator": annotator_id, "prefix": prefix, "scopes": words},
            project_id=None,
            at=at,
        )

    store.write(work)
    return f"pft_{prefix}_{secret}"


def find_token(store: Store, token: str) -> ApiToken | None:
    """The live token and its person."""
    word, _, rest = token.partition("_")
    prefix, _, secret = rest.partition("_")
    if word != "pft" or not prefix or not secret:
        return None
    with store.reading() as connection:
        row = connection.execute(select(API_TOKEN).where(API_TOKEN.c.prefix == prefix)).first()
        if row is None or row.revoked_at is not None:
            return None
        if not hmac.compare_digest(row.token_hash, hashed(secret)):
            return None
        person = people.by_id_in(connection, row.annotator_id)
    if not person.active:
        return None
    return ApiToken(prefix, person, tuple(row.scopes.split()), row.created_at, revoked=False)


def revoke_token(store: Store, prefix: str, *, actor: str) -> bool:
    """Ends a token; whether there was one."""

    def work(connection: Connection) -> bool:
        at = store.now(connection)
        live = update(API_TOKEN).where(
            API_TOKEN.c.prefix == prefix, API_TOKEN.c.revoked_at.is_(None)
        )
        if connection.execute(live.values(revoked_at=at)).rowcount == 0:
            return False
        events.append(
            connection,
            actor=actor,
            kind="token.revoked",
            payload={"prefix": prefix},
            project_id=None,
            at=at,
        )
        return True

    return store.write(work)


def tokens_of(store: Store, annotator_id: int) -> list[ApiToken]:
    """The person's tokens, revoked ones included, oldest first."""
    mine = select(API_TOKEN).where(API_TOKEN.c.annotator_id == annotator_id)
    with store.reading() as connection:
        person = people.by_id_in(connection, annotator_id)
        rows = connection.execute(mine.order_by(API_TOKEN.c.created_at)).all()
    return [
        ApiToken(r.prefix, person, tuple(r.scopes.split()), r.created_at, r.revoked_at is not None)
        for r in rows
    ]
