"""Annotators and their accounts. Passwords are hashed before any transaction begins."""

from threading import BoundedSemaphore
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, RowMapping, func, insert, select, update

from preftune.feedback.store import events
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Conflict, Forbidden, Unknown
from preftune.feedback.store.nouns import ORIGINS, ROLES, Annotator, NewAnnotator, Role
from preftune.feedback.store.schema import ANNOTATOR, API_TOKEN, ASSIGNMENT, SESSION, SLOT
from preftune.records import BadInput

SHORTEST, LONGEST = 10, 200
"""Letters of a password."""
AT_ONCE = BoundedSemaphore(2)
"""A hash takes 64 MiB while it is made."""
_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash("a password of nobody, so that an unknown name takes as long")


def add(store: Store, new: NewAnnotator, *, actor: str, password: str | None = None) -> Annotator:
    """A new labeler. Conflict when the name is taken, BadInput for a password under 10 letters."""
    hashed = None if password is None else hash_password(password)
    return by_id(store, store.write(lambda c: add_in(c, store, new, actor, hashed)))


def add_in(
    connection: Connection, store: Store, new: NewAnnotator, actor: str, hashed: str | None
) -> int:
    """The same inside a transaction, with the password hashed already; the new person's id."""
    name = new.name.strip()
    for wrong, sentence in (
        (not name or not name.isprintable() or len(name) > 80, "A labeler needs a name."),
        (name.startswith("removed-"), 'A name cannot begin with "removed-".'),
        (new.origin not in ORIGINS, f"The origin must be one of {', '.join(ORIGINS)}."),
        (new.role not in ROLES, f"The role must be one of {', '.join(ROLES)}."),
        (
            new.origin != "human" and new.role != "annotator",
            "A tool or a model is an annotator, nothing else.",
        ),
    ):
        if wrong:
            raise BadInput(sentence)
    if connection.scalar(select(ANNOTATOR.c.id).where(ANNOTATOR.c.name == name)) is not None:
        raise Conflict(f'The name "{name}" is taken.')
    at = store.now(connection)
    row = {
        "name": name,
        "group_name": new.group,
        "origin": new.origin,
        "version": new.version,
        "role": new.role,
    }
    made = insert(ANNOTATOR).values(**row, password=hashed, created_at=at)
    person = connection.execute(made.returning(ANNOTATOR.c.id)).scalar_one()
    payload = {**row, "annotator": person, "name": ""}  # the log outlives the name
    events.append(
        connection,
        actor=actor,
        kind="annotator.added",
        payload=payload,
        project_id=None,
        at=at,
    )
    return int(person)


def by_id(store: Store, annotator_id: int) -> Annotator:
    """Raises Unknown."""
    with store.reading() as connection:
        return by_id_in(connection, annotator_id)


def by_id_in(connection: Connection, annotator_id: int) -> Annotator:
    """The same inside a transaction."""
    chosen = select(ANNOTATOR).where(ANNOTATOR.c.id == annotator_id)
    row = connection.execute(chosen).mappings().first()
    if row is None:
        raise Unknown(f"There is no annotator with the id {annotator_id}.")
    return person_of(row)


def named(store: Store, name: str) -> Annotator:
    """Raises Unknown."""
    with store.reading() as connection:
        chosen = select(ANNOTATOR).where(ANNOTATOR.c.name == name)
        row = connection.execute(chosen).mappings().first()
    if row is None:
        raise Unknown(f'There is no annotator "{name}".')
    return person_of(row)


def all(store: Store) -> list[Annotator]:
    """Everyone, in order of joining, removed ones included (``active`` False)."""
    with store.reading() as connection:
        rows = connection.execute(select(ANNOTATOR).order_by(ANNOTATOR.c.id)).mappings().all()
    return [person_of(row) for row in rows]


def person_of(row: RowMapping) -> Annotator:
    """A row of the table as an annotator."""
    return Annotator(
        id=row["id"],
        name=row["name"],
        group=row["group_name"],
        origin=row["origin"],
        version=row["version"],
        role=row["role"],
        active=bool(row["active"]),
        has_password=row["password"] is not None,
        created_at=row["created_at"],
    )


def log_in(store: Store, name: str, password: str) -> Annotator | None:
    """The person, or None; takes as long for an unknown name as for a wrong password."""
    with store.reading() as connection:
        chosen = select(ANNOTATOR).where(ANNOTATOR.c.name == name.strip())
        row = connection.execute(chosen).mappings().first()
    known = row is not None and row["password"] is not None and bool(row["active"])
    stored = str(row["password"]) if known and row is not None else _NOBODY
    right = _verify(stored, password)
    if not known or row is None or not right:
        return None
    if _HASHER.check_needs_rehash(stored):
        fresh = hash_password(password)
        change = update(ANNOTATOR).where(
            ANNOTATOR.c.id == row["id"], ANNOTATOR.c.password == stored
        )
        store.write(lambda connection: connection.execute(change.values(password=fresh)))
    return person_of(row)


def hash_password(password: str) -> str:
    """argon2id. BadInput for a password that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(f"A password has {SHORTEST} to {LONGEST} letters.")
    with AT_ONCE:
        return _HASHER.hash(password)


def _verify(stored: str, password: str) -> bool:
    with AT_ONCE:
        try:
            return _HASHER.verify(stored, password[:LONGEST])
        except (VerificationError, InvalidHashError):
            return False


def set_password(store: Store, annotator_id: int, password: str, *, actor: str) -> None:
    """Replaces the password and ends every session of the person."""
    hashed = hash_password(password)
    store.write(lambda c: set_password_in(c, store, annotator_id, hashed, actor))


def set_password_in(
    connection: Connection, store: Store, annotator_id: int, hashed: str, actor: str
) -> None:
    """The same inside a transaction, with the password hashed already."""
    person = by_id_in(connection, annotator_id)
    if not person.active:
        raise Forbidden("This account has been removed.")
    change = update(ANNOTATOR).where(ANNOTATOR.c.id == annotator_id).values(password=hashed)
    connection.execute(change)
    at = store.now(connection)
    _end_sessions(connection, annotator_id, at)
    events.append(
        connection,
        actor=actor,
        kind="annotator.password",
        payload={"annotator": annotator_id},
        project_id=None,
        at=at,
    )


def change(
    store: Store,
    annotator_id: int,
    *,
    actor: str,
    role: Role | None = None,
    group: str | None = None,
) -> Annotator:
    """Another role or group. The last active admin keeps the role (Forbidden)."""
    values: dict[str, Any] = {}
    if role is not None:
        values["role"] = role
    if group is not None:
        values["group_name"] = group
    if role is not None and role not in ROLES:
        raise BadInput(f"The role must be one of {', '.join(ROLES)}.")

    def work(connection: Connection) -> None:
        person = by_id_in(connection, annotator_id)
        if person.origin != "human" and role not in (None, "annotator"):
            raise BadInput("A tool or a model is an annotator, nothing else.")
        if role not in (None, "admin"):
            _keep_an_admin(connection, person)
        if values:
            chosen = update(ANNOTATOR).where(ANNOTATOR.c.id == annotator_id)
            connection.execute(chosen.values(**values))
        events.append(
            connection,
            actor=actor,
            kind="annotator.changed",
            payload={"annotator": annotator_id, **values},
            project_id=None,
            at=store.now(connection),
        )

    store.write(work)
    return by_id(store, annotator_id)


def remove(store: Store, annotator_id: int, *, actor: str) -> None:
    """Ends the account: sessions, tokens, leases; the judgments stay, the name is replaced."""

    def work(connection: Connection) -> None:
        person = by_id_in(connection, annotator_id)
        if not person.active:
            return
        _keep_an_admin(connection, person)
        at = store.now(connection)
        connection.execute(
            update(ANNOTATOR)
            .where(ANNOTATOR.c.id == annotator_id)
            .values(active=False, password=None, name=f"removed-{annotator_id}")
        )
        _end_sessions(connection, annotator_id, at)
        mine = API_TOKEN.c.annotator_id == annotator_id
        live = mine & API_TOKEN.c.revoked_at.is_(None)
        connection.execute(update(API_TOKEN).where(live).values(revoked_at=at))
        release_all(connection, annotator_id)
        events.append(
            connection,
            actor=actor,
            kind="annotator.removed",
            payload={"annotator": annotator_id},
            project_id=None,
            at=at,
        )

    store.write(work)


def release_all(connection: Connection, annotator_id: int) -> None:
    """Gives back every item this person holds."""
    held = (ASSIGNMENT.c.annotator_id == annotator_id) & (ASSIGNMENT.c.state == "leased")
    numbers = select(ASSIGNMENT.c.id).where(held)
    connection.execute(
        update(SLOT)
        .where(SLOT.c.holder.in_(numbers), ~SLOT.c.done)
        .values(holder=None, lease_until=0.0)
    )
    connection.execute(update(ASSIGNMENT).where(held).values(state="released", lease_until=0.0))


def _end_sessions(connection: Connection, annotator_id: int, at: float) -> None:
    live = (SESSION.c.annotator_id == annotator_id) & SESSION.c.ended_at.is_(None)
    connection.execute(update(SESSION).where(live).values(ended_at=at))


def _keep_an_admin(connection: Connection, person: Annotator) -> None:
    if person.role != "admin" or not person.active:
        return
    admins = select(func.count()).where(ANNOTATOR.c.role == "admin", ANNOTATOR.c.active)
    if connection.execute(admins).scalar_one() < 2:
        raise Forbidden("The last admin stays.", remedy="Make another person an admin first.")
