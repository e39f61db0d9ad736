"""Taking an item: what this person holds already, a lesson, hidden gold, or the next place."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, insert, select, update

from preftune.feedback.store import events, fencing, lessons, projects, queue
from preftune.feedback.store.faults import Forbidden, Unknown
from preftune.feedback.store.nouns import Nothing, Purpose
from preftune.feedback.store.schema import (
    ANNOTATOR,
    ASSIGNMENT,
    GUIDELINE,
    MEMBERSHIP,
    PROJECT,
    SLOT,
)
from preftune.feedback.store.statements import Prepared

MOST_HELD = 2
"""One item on the screen and one fetched ahead."""


class Desk(NamedTuple):
    """A person in a project, as ``take`` needs it; read with the person's row locked."""

    state: str
    key: str
    lease_seconds: float
    gold_fraction: float
    training_items: int
    active: bool
    role: str
    name: str
    served: int
    precedence: float | None
    reached: int | None
    training_attempt: int
    trained_at: float | None
    guideline: int


_VERSION = (
    select(func.max(GUIDELINE.c.version))
    .where(GUIDELINE.c.project_id == PROJECT.c.id)
    .correlate(PROJECT)
    .scalar_subquery()
)
_DESK = Prepared(
    select(
        PROJECT.c.state,
        PROJECT.c.key,
        PROJECT.c.lease_seconds,
        PROJECT.c.gold_fraction,
        PROJECT.c.training_items,
        ANNOTATOR.c.active,
        ANNOTATOR.c.role,
        ANNOTATOR.c.name,
        MEMBERSHIP.c.served,
        MEMBERSHIP.c.precedence,
        MEMBERSHIP.c.reached,
        MEMBERSHIP.c.training_attempt,
        MEMBERSHIP.c.trained_at,
        _VERSION,
    )
    .select_from(
        MEMBERSHIP.join(PROJECT, PROJECT.c.id == MEMBERSHIP.c.project_id).join(
            ANNOTATOR, ANNOTATOR.c.id == MEMBERSHIP.c.annotator_id
        )
    )
    .where(
        MEMBERSHIP.c.project_id == queue.HERE,
        MEMBERSHIP.c.annotator_id == queue.ME,
    )
    .with_for_update(of=MEMBERSHIP)
)
_HELD = Prepared(
    select(
        ASSIGNMENT.c.id,
        ASSIGNMENT.c.attempt,
        ASSIGNMENT.c.epoch,
        ASSIGNMENT.c.item_id,
        ASSIGNMENT.c.slot,
        ASSIGNMENT.c.guideline_version,
    )
    .where(
        ASSIGNMENT.c.annotator_id == queue.ME,
        ASSIGNMENT.c.project_id == queue.HERE,
        ASSIGNMENT.c.state == "leased",
        ASSIGNMENT.c.lease_until > queue.NOW,
    )
    .order_by(ASSIGNMENT.c.taken_at, ASSIGNMENT.c.id)
)
_NEW = (
    "project_id",
    "item_id",
    "annotator_id",
    "slot",
    "state",
    "epoch",
    "lease_until",
    "guideline_version",
    "attempt",
    "taken_at",
)
_ADD = Prepared(insert(ASSIGNMENT).returning(ASSIGNMENT.c.id), _NEW)
_AGAIN = Prepared(
    update(ASSIGNMENT)
    .where(ASSIGNMENT.c.id == bindparam("assignment"))
    .values(
        slot=bindparam("place"),
        state="leased",
        epoch=bindparam("next_epoch"),
        lease_until=bindparam("until"),
        guideline_version=bindparam("guideline"),
        taken_at=bindparam("at"),
    )
)
_HOLD = Prepared(
    update(SLOT)
    .where(
        SLOT.c.item_id == bindparam("item"),
        SLOT.c.slot == bindparam("place"),
        ~SLOT.c.done,
        SLOT.c.lease_until <= bindparam("now"),
    )
    .values(holder=bindparam("assignment"), lease_until=bindparam("until"))
)
_SERVED = Prepared(
    update(MEMBERSHIP)
    .where(
        MEMBERSHIP.c.project_id == bindparam("here"),
        MEMBERSHIP.c.annotator_id == bindparam("me"),
    )
    .values(
        served=MEMBERSHIP.c.served + 1,
        precedence=bindparam("at_precedence"),
        reached=bindparam("at_item"),
    )
)


class Taken(NamedTuple):
    """A leased assignment. ``fresh``: it did not exist before, so there is no draft."""

    id: int
    item_id: int
    slot: int | None
    epoch: int
    lease_until: float
    guideline: int
    key: str
    fresh: bool


def take_in(connection: Connection, known: dict[str, Any], purpose: Purpose) -> Taken | Nothing:
    """Leases an item inside a write transaction, or says why there is none.

    ``known``: project_id, annotator_id, now.
    """
    return _take(connection, _desk(connection, known), known, purpose)


def _desk(connection: Connection, known: dict[str, Any]) -> Desk:
    row = _DESK.first(connection, known)
    if row is None:
        projects.project_in(connection, known["project_id"])
        person = select(ANNOTATOR.c.id).where(ANNOTATOR.c.id == known["annotator_id"])
        if connection.scalar(person) is None:
            raise Unknown(f"There is no annotator with the id {known['annotator_id']}.")
        joined = {"project_id": known["project_id"], "annotator_id": known["annotator_id"]}
        connection.execute(insert(MEMBERSHIP).values(**joined))
        row = _DESK.first(connection, known)
    desk = Desk(*row)
    if not desk.active:
        raise Forbidden("This account has been removed.")
    if desk.role == "viewer":
        raise Forbidden("A viewer does not label.", remedy="Ask for the role of an annotator.")
    return desk


def _take(
    connection: Connection, desk: Desk, known: dict[str, Any], purpose: Purpose
) -> Taken | Nothing:
    if desk.state == "paused":
        return Nothing("paused")
    lesson = purpose == "training"
    held = [row for row in _HELD.all(connection, known) if bool(row[1]) == lesson]
    if held and (purpose != "prefetch" or len(held) >= MOST_HELD):
        one = held[-1] if purpose == "prefetch" else held[0]
        until = known["now"] + desk.lease_seconds
        renew(connection, one[0], one[3], until)
        return Taken(one[0], one[3], one[4], one[2], until, one[5], desk.key, fresh=False)
    if lesson:
        place = _lesson(connection, desk, known)
    elif desk.training_items and desk.trained_at is None and lessons.any_here(connection, known):
        return Nothing("needs_training" if lessons.left(connection, known) else "failed_training")
    else:
        place = _work(connection, desk, known)
    if isinstance(place, Nothing):
        return place
    return _lease(connection, desk, known, place, desk.training_attempt if lesson else 0)


_LIVE_ON = Prepared(
    update(ASSIGNMENT)
    .where(ASSIGNMENT.c.id == bindparam("assignment"))
    .values(lease_until=bindparam("until"))
)
_HELD_ON = Prepared(
    update(SLOT)
    .where(
        SLOT.c.item_id == bindparam("item"),
        SLOT.c.holder == bindparam("assignment"),
        ~SLOT.c.done,
    )
    .values(lease_until=bindparam("until"))
)


def renew(connection: Connection, assignment_id: int, item_id: int, until: float) -> None:
    """Lets an assignment and the place it holds live until a time."""
    _LIVE_ON.change(connection, {"assignment": assignment_id, "until": until})
    held = {"assignment": assignment_id, "item": item_id, "until": until}
    _HELD_ON.change(connection, held)


def _lesson(connection: Connection, desk: Desk, known: dict[str, Any]) -> queue.Place | Nothing:
    place = queue.next_lesson(connection, known)
    if place is not None and desk.trained_at is None:
        return place
    return Nothing("done" if desk.trained_at else "failed_training")


def _work(connection: Connection, desk: Desk, known: dict[str, Any]) -> queue.Place | Nothing:
    place = queue.next_work(connection, known, desk.precedence, desk.reached)
    if place is None:
        if not queue.has_items(connection, known):
            return Nothing("no_items")
        back = queue.next_return(connection, known)
        if back is None:
            return Nothing("done")
        return Nothing("all_assigned", max(back - known["now"], 0.0))
    due = fencing.chance(desk.key, "gold", known["annotator_id"], desk.served) < desk.gold_fraction
    gold = queue.next_gold(connection, known) if due and desk.gold_fraction else None
    return gold or place


def _lease(
    connection: Connection, desk: Desk, known: dict[str, Any], place: queue.Place, attempt: int
) -> Taken:
    now, epoch = known["now"], place.epoch + 1
    until = now + desk.lease_seconds
    if place.assignment_id is None:
        row = {
            "project_id": known["project_id"],
            "item_id": place.item_id,
            "annotator_id": known["annotator_id"],
            "slot": place.slot,
            "state": "leased",
            "epoch": epoch,
            "lease_until": until,
            "guideline_version": desk.guideline,
            "attempt": attempt,
            "taken_at": now,
        }
        assignment_id = int(_ADD.first(connection, row)[0])
    else:
        assignment_id = place.assignment_id
        again = {"assignment": assignment_id, "place": place.slot, "next_epoch": epoch}
        again |= {"until": until, "guideline": desk.guideline, "at": now}
        _AGAIN.change(connection, again)
    if place.slot is not None:
        hold = {"item": place.item_id, "place": place.slot, "now": now}
        hold |= {"assignment": assignment_id, "until": until}
        if _HOLD.change(connection, hold) != 1:
            raise AssertionError("a place was taken inside the transaction that locked it")
    at = (place.precedence, place.item_id) if place.slot else (desk.precedence, desk.reached)
    _SERVED.change(
        connection,
        {
            "here": known["project_id"],
            "me": known["annotator_id"],
            "at_precedence": at[0],
            "at_item": at[1],
        },
    )
    events.append(
        connection,
        actor=f"annotator:{known['annotator_id']}",
        kind="lease.taken",
        payload={"assignment": assignment_id, "item": place.item_id, "slot": place.slot},
        project_id=known["project_id"],
        at=now,
    )
    fresh = place.assignment_id is None
    guideline = desk.guideline
    return Taken(assignment_id, place.item_id, place.slot, epoch, until, guideline, desk.key, fresh)
