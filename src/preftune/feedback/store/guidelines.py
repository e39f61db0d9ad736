"""Guidelines: Markdown with versions; every judgment names the version it was made under."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, insert, select, update

from preftune.artifacts import sha256_bytes
from preftune.feedback.store import events, projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.schema import GUIDELINE, MEMBERSHIP


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

    def work(connection: Connection) -> int:
        projects.project_in(connection, project_id)
        last = _versions(connection, project_id)[-1]
        if last.text == text:
            return last.version
        at, version = store.now(connection), last.version + 1
        row = {"project_id": project_id, "version": version, "text": text, "changes": changes}
        connection.execute(insert(GUIDELINE).values(**row, actor=actor, published_at=at))
        events.append(
            connection,
            actor=actor,
            kind="guideline.published",
            payload={"version": version, "changes": changes, "sha256": sha256_bytes(text.encode())},
            project_id=project_id,
            at=at,
        )
        return version

    return store.write(work)


def current(store: Store, project_id: int) -> Guideline:
    """The latest version."""
    return versions(store, project_id)[-1]


def versions(store: Store, project_id: int) -> list[Guideline]:
    """All versions, oldest first. Raises Unknown."""
    with store.reading() as connection:
        projects.project_in(connection, project_id)
        return _versions(connection, project_id)


def _versions(connection: Connection, project_id: int) -> list[Guideline]:
    chosen = select(GUIDELINE).where(GUIDELINE.c.project_id == project_id)
    rows = connection.execute(chosen.order_by(GUIDELINE.c.version))
    return [Guideline(r.version, r.text, r.changes, r.actor, r.published_at) for r in rows]


def changes(store: Store, project_id: int, since: int) -> list[Guideline]:
    """The versions after ``since``, oldest first."""
    return [one for one in versions(store, project_id) if one.version > since]


def seen(store: Store, project_id: int, annotator_id: int) -> int:
    """The last version this person opened, 0 for none."""
    mine = _mine(project_id, annotator_id)
    with store.reading() as connection:
        return int(connection.scalar(select(MEMBERSHIP.c.seen_guideline).where(mine)) or 0)


def mark_seen(store: Store, project_id: int, annotator_id: int, version: int) -> None:
    """Remembers that this person opened the version."""
    mine = _mine(project_id, annotator_id)

    def work(connection: Connection) -> None:
        change = update(MEMBERSHIP).where(mine).values(seen_guideline=version)
        if connection.execute(change).rowcount == 0:
            row = {"project_id": project_id, "annotator_id": annotator_id}
            connection.execute(insert(MEMBERSHIP).values(**row, seen_guideline=version))

    store.write(work)


def _mine(project_id: int, annotator_id: int) -> ColumnElement[bool]:
    return (MEMBERSHIP.c.project_id == project_id) & (MEMBERSHIP.c.annotator_id == annotator_id)
