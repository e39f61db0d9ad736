"""Which item comes next for a person: one statement each for work, hidden gold and lessons.

A place is open when it is neither done nor under a live lease. People go through the queue in one
order (priority, then as added), each remembering how far they are, so finding the next place does
not grow with what is behind them; whoever reaches the end starts once more from the front, where
leases may have come back.
"""

from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)

from preftune.feedback.store.schema import ASSIGNMENT, ITEM, SLOT
from preftune.feedback.store.statements import Prepared


class Place(NamedTuple):
    """An item for this person, and their earlier assignment of it, if any."""

    item_id: int
    slot: int | None
    precedence: float | None
    assignment_id: int | None
    epoch: int


MINE = ASSIGNMENT.alias("mine")
NOW: BindParameter[Any] = bindparam("now")
ME: BindParameter[Any] = bindparam("annotator_id")
HERE: BindParameter[Any] = bindparam("project_id")

NOT_MINE_YET: ColumnElement[bool] = or_(
    MINE.c.id.is_(None),
    MINE.c.state == "released",
    and_(MINE.c.state == "leased", MINE.c.lease_until <= NOW),
)
"""I never had this item, or gave it back, or let its lease run out."""


def _open_places(*further: ColumnElement[bool]) -> Select[Any]:
    mine = and_(MINE.c.item_id == SLOT.c.item_id, MINE.c.annotator_id == ME)
    return (
        select(SLOT.c.item_id, SLOT.c.slot, SLOT.c.precedence, MINE.c.id, MINE.c.epoch)
        .select_from(SLOT.outerjoin(MINE, mine))
        .where(
            SLOT.c.project_id == HERE,
            literal_column("NOT slot.done"),
            SLOT.c.lease_until <= NOW,
            NOT_MINE_YET,
            *further,
        )
        .order_by(SLOT.c.precedence, SLOT.c.item_id, SLOT.c.slot)
        .limit(1)
        .with_for_update(of=SLOT, skip_locked=True)
    )


_FROM_FRONT = Prepared(_open_places())
_FROM_HERE = Prepared(
    _open_places(
        tuple_(SLOT.c.precedence, SLOT.c.item_id)
        > tuple_(bindparam("precedence"), bindparam("reached"))
    )
)


def next_work(
    connection: Connection, known: dict[str, Any], precedence: float | None, reached: int | None
) -> Place | None:
    """The next open place, and its row locked on PostgreSQL; ``known`` has project, person, now."""
    if reached is not None:
        further = {**known, "precedence": precedence, "reached": reached}
        found = _FROM_HERE.first(connection, further)
        if found is not None:
            return _place(found)
    found = _FROM_FRONT.first(connection, known)
    return None if found is None else _place(found)


def _of_purpose(purpose: str) -> Select[Any]:
    mine = and_(MINE.c.item_id == ITEM.c.id, MINE.c.annotator_id == ME)
    asked = ASSIGNMENT.alias("asked")
    times = (
        select(func.count()).where(asked.c.item_id == ITEM.c.id).correlate(ITEM).scalar_subquery()
    )
    return (
        select(ITEM.c.id, MINE.c.id.label("assignment_id"), MINE.c.epoch)
        .select_from(ITEM.outerjoin(MINE, mine))
        .where(ITEM.c.project_id == HERE, ITEM.c.purpose == purpose, NOT_MINE_YET)
        .order_by(times if purpose == "gold" else ITEM.c.id, ITEM.c.id)
        .limit(1)
    )


_GOLD = Prepared(_of_purpose("gold"))
_LESSON = Prepared(_of_purpose("training"))


def next_gold(connection: Connection, known: dict[str, Any]) -> Place | None:
    """The hidden item asked least often so far, of those this person never had."""
    return _known_item(connection, _GOLD, known)


def next_lesson(connection: Connection, known: dict[str, Any]) -> Place | None:
    """The next training item this person never had."""
    return _known_item(connection, _LESSON, known)


def _known_item(connection: Connection, chosen: Prepared, known: dict[str, Any]) -> Place | None:
    found = chosen.first(connection, known)
    if found is None:
        return None
    return Place(found[0], None, None, found[1], found[2] or 0)


_ANY = select(ITEM.c.id).where(ITEM.c.project_id == HERE, ITEM.c.purpose == "work").limit(1)
_OUT = (
    select(func.min(SLOT.c.lease_until))
    .select_from(
        SLOT.outerjoin(MINE, and_(MINE.c.item_id == SLOT.c.item_id, MINE.c.annotator_id == ME))
    )
    .where(SLOT.c.project_id == HERE, literal_column("NOT slot.done"), NOT_MINE_YET, true())
)


def has_items(connection: Connection, known: dict[str, Any]) -> bool:
    """Whether the project has any ordinary item."""
    return connection.execute(_ANY, known).first() is not None


def next_return(connection: Connection, known: dict[str, Any]) -> float | None:
    """When the first lease of another person, on an item for this one, runs out; None if none."""
    return connection.execute(_OUT, known).scalar()


def _place(row: Any) -> Place:
    return Place(row[0], row[1], row[2], row[3], row[4] or 0)
