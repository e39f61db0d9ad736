"""Judgments: taken in once, never changed, revised by a new row."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, RowMapping, Select, bindparam, insert, select, text, update

from preftune.artifacts import failpoint, hash_value
from preftune.feedback.store import answers, events, fencing, fixed, items, lessons
from preftune.feedback.store.engine import Errand, Store
from preftune.feedback.store.faults import Conflict, Forbidden, InvalidAnswer, LeaseLost, Unknown
from preftune.feedback.store.nouns import Judgment, Receipt, Revision, Status, Submission
from preftune.feedback.store.schema import (
    ANNOTATOR,
    ASSIGNMENT,
    GUIDELINE,
    ITEM,
    JUDGMENT,
    SLOT,
)
from preftune.feedback.store.statements import Prepared

_LOCKED = Prepared(
    select(
        ASSIGNMENT.c.id,
        ASSIGNMENT.c.project_id,
        ASSIGNMENT.c.item_id,
        ASSIGNMENT.c.annotator_id,
        ASSIGNMENT.c.slot,
        ASSIGNMENT.c.state,
        ASSIGNMENT.c.epoch,
        ASSIGNMENT.c.lease_until,
        ASSIGNMENT.c.guideline_version,
        ASSIGNMENT.c.attempt,
        ANNOTATOR.c.origin,
        ANNOTATOR.c.active,
        ANNOTATOR.c.version,
        ANNOTATOR.c.group_name,
    )
    .join(ANNOTATOR, ANNOTATOR.c.id == ASSIGNMENT.c.annotator_id)
    .where(ASSIGNMENT.c.id == bindparam("assignment"))
    .with_for_update(of=ASSIGNMENT)
)
_SAME = Prepared(
    select(
        JUDGMENT.c.body_hash, JUDGMENT.c.judgment_id, JUDGMENT.c.revision, JUDGMENT.c.status
    ).where(JUDGMENT.c.submission_id == bindparam("submission"))
)
_FILL_HELD = Prepared(
    update(SLOT)
    .where(
        SLOT.c.item_id == bindparam("item"),
        SLOT.c.slot == bindparam("place"),
        SLOT.c.holder == bindparam("assignment"),
        ~SLOT.c.done,
    )
    .values(done=text("true"))
)
_FREE = Prepared(
    select(SLOT.c.slot)
    .where(
        SLOT.c.item_id == bindparam("item"), ~SLOT.c.done, SLOT.c.lease_until <= bindparam("now")
    )
    .order_by(SLOT.c.slot)
    .with_for_update()
)
_FILL_FREE = Prepared(
    update(SLOT)
    .where(SLOT.c.item_id == bindparam("item"), SLOT.c.slot == bindparam("place"), ~SLOT.c.done)
    .values(done=text("true"), holder=bindparam("assignment"))
)
_SUBMITTED = Prepared(
    update(ASSIGNMENT)
    .where(ASSIGNMENT.c.id == bindparam("assignment"))
    .values(state="submitted", draft=text("NULL"))
)
_ADD = Prepared(insert(JUDGMENT))


class Lease(NamedTuple):
    """An assignment as ``submit`` needs it, its row locked."""

    id: int
    project_id: int
    item_id: int
    annotator_id: int
    slot: int | None
    state: str
    epoch: int
    lease_until: float
    guideline_version: int
    attempt: int
    origin: str
    active: bool
    version: str
    group: str


def submit(store: Store, submission: Submission, *, now: float | None = None) -> Receipt:
    """Stores an answer; when this returns, it is on the disk.

    The same id with the same content gives the first receipt again (``replayed``); with other
    content it is a Conflict. In time: ``counted``. After the lease ended, and a place was still
    open: ``late``, which counts too. No place left: ``surplus``, kept but not counted.
    Raises InvalidAnswer, Unknown, Conflict, LeaseLost (a token that was never given out).
    """
    return store.carry_out(to_submit(store, submission, now=now))


def to_submit(store: Store, submission: Submission, *, now: float | None = None) -> Errand[Receipt]:
    """What ``submit`` does, checked so far, for whoever cannot wait for the disk.

    Reads nothing when ``fixed.knows`` the assignment.
    """
    submission_id = answers.checked_id(submission.submission_id)
    epoch = fencing.epoch_of(store, submission.assignment_id, submission.lease_token)
    owner = fixed.owner(store, submission.assignment_id)
    asking = fixed.asking(store, owner.project_id)
    item = items.by_number(store, owner.item_id)
    body = hash_value(answers.body_of(submission, assignment=submission.assignment_id))
    row = answers.prepared(asking, item, owner.annotator_id, submission)
    row |= {"submission_id": submission_id, "body_hash": body}
    failpoint("judgment.before_insert")

    def work(connection: Connection) -> Receipt:
        lease = Lease(*_LOCKED.first(connection, {"assignment": submission.assignment_id}))
        replay = replayed_in(connection, submission_id, body)
        if replay is not None:
            return replay
        if not lease.active:
            raise LeaseLost("removed", "This account has been removed.")
        moment = now if now is not None else store.now(connection)
        status, slot = _place(connection, lease, epoch, moment)
        shown = submission.presentation.guideline_version
        first = {**row, "judgment_id": submission_id, "revision": 1, "status": status, "slot": slot}
        first["guideline_version"] = _guideline(connection, lease, shown)
        add_in(connection, lease, first, moment)
        if item.purpose == "training" and status != "surplus":
            lesson = lessons.learn(connection, asking.project, item, lease, moment)
            return Receipt(submission_id, 1, status, lesson=lesson)
        return Receipt(submission_id, 1, status)

    return Errand(work, _committed)


def _committed(receipt: Receipt) -> Receipt:
    failpoint("judgment.after_commit")
    return receipt


def _guideline(connection: Connection, lease: Lease, shown: int | None) -> int:
    """The version the answer was made under: the one shown, or the one when it was taken."""
    if shown is None or shown == lease.guideline_version:
        return lease.guideline_version
    chosen = select(GUIDELINE.c.version).where(
        GUIDELINE.c.project_id == lease.project_id, GUIDELINE.c.version == shown
    )
    if connection.scalar(chosen) is None:
        raise InvalidAnswer(f"There is no version {shown} of the guidelines.")
    return shown


def replayed_in(connection: Connection, submission_id: str, body: str) -> Receipt | None:
    same = _SAME.first(connection, {"submission": submission_id})
    if same is None:
        return None
    body_hash, judgment_id, revision, status = same
    if body_hash != body:
        raise Conflict(
            "This submission_id was used for another answer.",
            remedy="Give every answer its own UUID; change an answer with a revision.",
        )
    return Receipt(judgment_id, revision, status, replayed=True)


def _place(
    connection: Connection, lease: Lease, epoch: int, now: float
) -> tuple[Status, int | None]:
    """Fills a place of the item: the one held, else a free one, else none (surplus)."""
    if lease.state == "submitted":
        return "surplus", None
    in_time = lease.state == "leased" and lease.epoch == epoch and lease.lease_until > now
    if lease.slot is None:
        return ("counted" if in_time else "late"), None
    held = {"item": lease.item_id, "place": lease.slot, "assignment": lease.id}
    if _FILL_HELD.change(connection, held) == 1:
        return ("counted" if in_time else "late"), lease.slot
    free = _FREE.first(connection, {"item": lease.item_id, "now": now})
    if free is None:
        return "surplus", None
    _FILL_FREE.change(connection, {**held, "place": free[0]})
    return "late", int(free[0])


def add_in(connection: Connection, lease: Lease, row: dict[str, Any], now: float) -> None:
    """Adds the row and the event that carries its digest."""
    row |= {
        "project_id": lease.project_id,
        "item_id": lease.item_id,
        "annotator_id": lease.annotator_id,
        "assignment_id": lease.id,
        "origin": lease.origin,
        "labeler_version": lease.version,
        "group_name": lease.group,
        "created_at": now,
    }
    seq = events.append(
        connection,
        actor=f"annotator:{lease.annotator_id}",
        kind="judgment.submitted" if row["revision"] == 1 else "judgment.revised",
        payload={
            "judgment": row["judgment_id"],
            "revision": row["revision"],
            "item": lease.item_id,
            "status": row["status"],
            "row": events.judgment_digest(row),
        },
        project_id=lease.project_id,
        at=now,
    )
    _ADD.change(connection, {**row, "seq": seq})
    if row["revision"] == 1 and lease.state != "submitted":
        _SUBMITTED.change(connection, {"assignment": lease.id})
    failpoint("judgment.before_commit")


def revise(store: Store, revision: Revision, *, now: float | None = None) -> Receipt:
    """A changed answer within the undo window: a new revision of the same judgment.

    Raises Unknown, InvalidAnswer, Conflict, and Forbidden for another person's judgment, a lesson
    whose answer has been shown, or after ``undo_seconds`` from the first answer.
    """
    submission_id = answers.checked_id(revision.submission_id)
    with store.reading() as connection:
        first = _first(connection, revision.judgment_id)
    asking = fixed.asking(store, first.project_id)
    item = items.by_number(store, first.item_id)
    if first.annotator_id != revision.annotator_id:
        raise Forbidden("This judgment is another person's.")
    if item.purpose == "training":
        raise Forbidden("The answer to a lesson has been shown; it stays as it is.")
    body = hash_value(answers.body_of(revision, judgment=revision.judgment_id))
    row = answers.prepared(asking, item, first.annotator_id, revision)
    row |= {"submission_id": submission_id, "body_hash": body}

    def work(connection: Connection) -> Receipt:
        lease = Lease(*_LOCKED.first(connection, {"assignment": first.assignment_id}))
        replay = replayed_in(connection, submission_id, body)
        if replay is not None:
            return replay
        if not lease.active:
            raise Forbidden("This account has been removed.")
        moment = now if now is not None else store.now(connection)
        if moment > first.created_at + asking.project.undo_seconds:
            raise Forbidden("It is too late to change this answer.")
        last = select(JUDGMENT.c.revision).where(JUDGMENT.c.judgment_id == revision.judgment_id)
        number = max(connection.scalars(last)) + 1
        same = {"judgment_id": revision.judgment_id, "status": first.status, "slot": first.slot}
        shown = revision.presentation.guideline_version
        same["guideline_version"] = _guideline(connection, lease, shown)
        add_in(connection, lease, {**row, **same, "revision": number}, moment)
        return Receipt(revision.judgment_id, number, first.status)

    return _committed(store.write(work))


def _first(connection: Connection, judgment_id: str) -> Row[Any]:
    chosen = select(JUDGMENT).where(JUDGMENT.c.judgment_id == judgment_id, JUDGMENT.c.revision == 1)
    row = connection.execute(chosen).first()
    if row is None:
        raise Unknown("There is no such judgment.")
    return row


def rows_of(*conditions: Any) -> Select[Any]:
    """Judgments with their item's and annotator's names, every revision."""
    return (
        select(
            JUDGMENT,
            ITEM.c.name.label("item_name"),
            ITEM.c.purpose,
            ANNOTATOR.c.name.label("annotator"),
        )
        .join(ITEM, ITEM.c.id == JUDGMENT.c.item_id)
        .join(ANNOTATOR, ANNOTATOR.c.id == JUDGMENT.c.annotator_id)
        .where(*conditions)
    )


def read(rows: Iterable[RowMapping]) -> list[Judgment]:
    """Rows of ``rows_of`` as judgments."""
    return [
        Judgment(
            submission_id=row["submission_id"],
            judgment_id=row["judgment_id"],
            revision=row["revision"],
            project_id=row["project_id"],
            item_number=row["item_id"],
            item_name=row["item_name"],
            annotator_id=row["annotator_id"],
            annotator=row["annotator"],
            group=row["group_name"],
            origin=row["origin"],
            version=row["labeler_version"],
            status=row["status"],
            answer=json.loads(row["answer"]),
            presentation=json.loads(row["presentation"]),
            guideline_version=row["guideline_version"],
            active_ms=row["active_ms"],
            wall_ms=row["wall_ms"],
            created_at=row["created_at"],
            seq=row["seq"],
        )
        for row in rows
    ]


def _latest() -> Any:
    """Only the last revision of each judgment."""
    later = JUDGMENT.alias("later")
    return ~(
        select(later.c.seq)
        .where(later.c.judgment_id == JUDGMENT.c.judgment_id)
        .where(later.c.revision > JUDGMENT.c.revision)
        .exists()
    )


def mine(store: Store, project_id: int, annotator_id: int, *, limit: int = 20) -> list[Judgment]:
    """This person's last judgments, newest first, each in its latest revision."""
    chosen = rows_of(
        JUDGMENT.c.project_id == project_id, JUDGMENT.c.annotator_id == annotator_id, _latest()
    )
    with store.reading() as connection:
        ordered = chosen.order_by(JUDGMENT.c.seq.desc()).limit(limit)
        return read(connection.execute(ordered).mappings())


def of_item(store: Store, item_number: int) -> list[Judgment]:
    """Every revision of every judgment of an item, oldest first."""
    chosen = rows_of(JUDGMENT.c.item_id == item_number).order_by(JUDGMENT.c.seq)
    with store.reading() as connection:
        return read(connection.execute(chosen).mappings())


def by_id(store: Store, judgment_id: str) -> Judgment:
    """The latest revision of a judgment. Raises Unknown."""
    chosen = rows_of(JUDGMENT.c.judgment_id == judgment_id, _latest())
    with store.reading() as connection:
        found = read(connection.execute(chosen).mappings())
    if not found:
        raise Unknown("There is no such judgment.")
    return found[0]
