"""Ways in: invite links, good once, and tokens for programs. Stored as hashes only."""

import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from preftune.feedback.store import events, people
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Forbidden
from preftune.feedback.store.nouns import ROLES, Annotator, NewAnnotator, Role
from preftune.feedback.store.schema import ANNOTATOR, API_TOKEN, INVITE
from preftune.feedback.store.sessions import hashed
from preftune.records import BadInput

INVITE_SECONDS = 7 * 24 * 3600.0
SCOPES = ("label", "read", "manage")
FIRST_RUN = "first run"


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
        row = {"token_hash": hashed(secret), "role": role, "group_name": group}
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
