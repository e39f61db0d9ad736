"""Questions about an item: one thread for each labeler who asks, between them and the leads.

A labeler sees their own threads only, so that nobody's judgment leans on what another one asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, insert, select

from preftune.artifacts import sha256_bytes
from preftune.feedback.store import events, people
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Forbidden, Refused, Unknown
from preftune.feedback.store.schema import ANNOTATOR, ASSIGNMENT, ITEM, REMARK

LONGEST = 4_000
"""Letters in one question or answer."""
ANSWERERS = ("admin", "lead")


class Empty(Refused):
    """A question or answer without words, or too long."""

    what = "invalid_remark"


@dataclass(frozen=True, slots=True)
class Remark:
    """A question or an answer. ``own``: the asker wrote it, no lead."""

    author: str
    own: bool
    text: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Thread:
    """What one labeler and the leads said about one item, oldest first."""

    item_number: int
    item_name: str
    asker_id: int
    asker: str
    remarks: tuple[Remark, ...]

    @property
    def waits(self) -> bool:
        """Whether the labeler had the last word."""
        return self.remarks[-1].own


def say(store: Store, item: int, *, asker_id: int, author_id: int, text: str) -> Thread:
    """Adds a question by the labeler who has or had the item, or a lead's answer; the thread.

    Raises Unknown, Forbidden, Empty.
    """
    words = text.strip()
    if not words or len(words) > LONGEST:
        raise Empty(f"Write something, in {LONGEST} letters at most.")

    def work(connection: Connection) -> None:
        project = connection.scalar(select(ITEM.c.project_id).where(ITEM.c.id == item))
        if project is None:
            raise Unknown(f"There is no item number {item}.")
        author = people.by_id_in(connection, author_id)
        mine = select(ASSIGNMENT.c.id).where(
            ASSIGNMENT.c.item_id == item, ASSIGNMENT.c.annotator_id == asker_id
        )
        thread = select(REMARK.c.id).where(REMARK.c.item_id == item, REMARK.c.asker_id == asker_id)
        own = author_id == asker_id
        if own and connection.scalar(mine) is None:
            raise Forbidden("You never had this item.")
        if not own and author.role not in ANSWERERS:
            raise Forbidden("Only a lead answers questions.")
        if not own and connection.scalar(thread.limit(1)) is None:
            raise Unknown("There is no such question.")
        at = store.now(connection)
        digest = sha256_bytes(words.encode())
        seq = events.append(
            connection,
            actor=f"annotator:{author_id}",
            kind="question.asked" if own else "question.answered",
            payload={"item": item, "asker": asker_id, "sha256": digest},
            project_id=project,
            at=at,
        )
        row = {"item_id": item, "asker_id": asker_id, "author_id": author_id, "text": words}
        connection.execute(insert(REMARK).values(**row, created_at=at, seq=seq))

    store.write(work)
    found = thread_of(store, item, asker_id)
    assert found is not None
    return found


def thread_of(store: Store, item: int, asker_id: int) -> Thread | None:
    """What this labeler asked about this item, and was told; None where nothing was."""
    chosen = _remarks(REMARK.c.item_id == item, REMARK.c.asker_id == asker_id)
    with store.reading() as connection:
        found = _threads(connection.execute(chosen).mappings())
    return found[0] if found else None


def threads(store: Store, project_id: int, *, asker_id: int | None = None) -> list[Thread]:
    """A project's threads, those that wait for an answer first; of one labeler where named."""
    whose = () if asker_id is None else (REMARK.c.asker_id == asker_id,)
    with store.reading() as connection:
        found = _threads(
            connection.execute(_remarks(ITEM.c.project_id == project_id, *whose)).mappings()
        )
    return sorted(found, key=lambda one: (not one.waits, -one.remarks[-1].created_at))


def _remarks(*conditions: Any) -> Select[Any]:
    asker, author = ANNOTATOR.alias("asker"), ANNOTATOR.alias("author")
    return (
        select(
            REMARK.c.item_id,
            ITEM.c.name.label("item_name"),
            REMARK.c.asker_id,
            asker.c.name.label("asker"),
            REMARK.c.author_id,
            author.c.name.label("author"),
            REMARK.c.text,
            REMARK.c.created_at,
        )
        .join(ITEM, ITEM.c.id == REMARK.c.item_id)
        .join(asker, asker.c.id == REMARK.c.asker_id)
        .join(author, author.c.id == REMARK.c.author_id)
        .where(*conditions)
        .order_by(REMARK.c.item_id, REMARK.c.asker_id, REMARK.c.id)
    )


def _threads(rows: Iterable[RowMapping]) -> list[Thread]:
    found = []
    for _, several in groupby(rows, key=lambda row: (row["item_id"], row["asker_id"])):
        said = list(several)
        remarks = tuple(
            Remark(
                row["author"], row["author_id"] == row["asker_id"], row["text"], row["created_at"]
            )
            for row in said
        )
        first = said[0]
        found.append(
            Thread(first["item_id"], first["item_name"], first["asker_id"], first["asker"], remarks)
        )
    return found
