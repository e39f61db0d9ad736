"""Leases: who has which item, until when."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from preftune.artifacts import canonical_json
from preftune.feedback.store import events, fencing, fixed, items, taking
from preftune.feedback.store.engine import Errand, Store
from preftune.feedback.store.faults import Forbidden, LeaseLost, Unknown
from preftune.feedback.store.nouns import Assignment, Item, Nothing, Purpose
from preftune.feedback.store.schema import ANNOTATOR, ASSIGNMENT, PROJECT, SLOT
from preftune.records import BadInput

DRAFT_BYTES = 1_000_000
REASON_LETTERS = 500


def take(
    store: Store,
    *,
    project_id: int,
    annotator_id: int,
    purpose: Purpose = "work",
    now: float | None = None,
) -> Assignment | Nothing:
    """An item for this person, leased in one write transaction.

    ``work`` gives the item they hold already, if any (a reload shows the same), else the next.
    ``prefetch`` gives a second one beside it. ``training`` gives the next lesson. Nobody holds
    more than two. Hidden gold comes in between, by the project's share.
    """
    errand = to_take(
        store, project_id=project_id, annotator_id=annotator_id, purpose=purpose, now=now
    )
    return store.carry_out(errand)


def to_take(
    store: Store,
    *,
    project_id: int,
    annotator_id: int,
    purpose: Purpose = "work",
    now: float | None = None,
) -> Errand[Assignment | Nothing]:
    """What ``take`` does, for whoever cannot wait for the disk. Reads nothing by itself."""
    known = {"project_id": project_id, "annotator_id": annotator_id}

    def work(connection: Connection) -> tuple[taking.Taken, Item, Row[Any] | None] | Nothing:
        moment = now if now is not None else store.now(connection)
        taken = taking.take_in(connection, {**known, "now": moment}, purpose)
        if isinstance(taken, Nothing):
            return taken
        item = items.by_number_in(store, connection, taken.item_id)
        return taken, item, None if taken.fresh else _again(connection, taken.id)

    def after(given: tuple[taking.Taken, Item, Row[Any] | None] | Nothing) -> Assignment | Nothing:
        if isinstance(given, Nothing):
            return given
        taken, item, row = given
        items.remember(store, item)
        fixed.remember(store, taken.id, project_id, item.number, annotator_id)
        return _fresh(store, taken, item, known) if row is None else _assignment(store, row, item)

    return Errand(work, after)


def _fresh(store: Store, taken: taking.Taken, item: Item, known: Mapping[str, int]) -> Assignment:
    """An assignment that was made just now, so it has no draft."""
    person = known["annotator_id"]
    return Assignment(
        **known,
        id=taken.id,
        item=item,
        slot=taken.slot,
        lease_token=fencing.lease_token(store, taken.id, taken.epoch),
        lease_until=taken.lease_until,
        epoch=taken.epoch,
        order=fencing.shown_order(taken.key, item.number, person, len(item.responses)),
        guideline_version=taken.guideline,
        draft=None,
        draft_at=None,
        training=item.purpose == "training",
    )


_ONE = (
    select(
        ASSIGNMENT,
        PROJECT.c.lease_seconds,
        PROJECT.c.key,
        ANNOTATOR.c.active,
        SLOT.c.holder,
        SLOT.c.done,
    )
    .select_from(
        ASSIGNMENT.join(PROJECT, PROJECT.c.id == ASSIGNMENT.c.project_id)
        .join(ANNOTATOR, ANNOTATOR.c.id == ASSIGNMENT.c.annotator_id)
        .outerjoin(
            SLOT, (SLOT.c.item_id == ASSIGNMENT.c.item_id) & (SLOT.c.slot == ASSIGNMENT.c.slot)
        )
    )
    .where(ASSIGNMENT.c.id == bindparam("assignment_id"))
)
_LOCKED = _ONE.with_for_update(of=ASSIGNMENT)


def current(store: Store, assignment_id: int, annotator_id: int) -> Assignment:
    """An assignment of this person again, live or not. Raises Unknown, Forbidden."""
    with store.reading() as connection:
        row = _again(connection, assignment_id)
    if row.annotator_id != annotator_id:
        raise Forbidden("This assignment is another person's.")
    return _assignment(store, row, items.by_number(store, row.item_id))


def _again(connection: Connection, assignment_id: int) -> Row[Any]:
    row = connection.execute(_ONE, {"assignment_id": assignment_id}).first()
    if row is None:
        raise Unknown(f"There is no assignment {assignment_id}.")
    return row


def _assignment(store: Store, row: Row[Any], item: Item) -> Assignment:
    order = fencing.shown_order(row.key, item.number, row.annotator_id, len(item.responses))
    return Assignment(
        id=row.id,
        project_id=row.project_id,
        annotator_id=row.annotator_id,
        item=item,
        slot=row.slot,
        lease_token=fencing.lease_token(store, row.id, row.epoch),
        lease_until=row.lease_until,
        epoch=row.epoch,
        order=order,
        guideline_version=row.guideline_version,
        draft=None if row.draft is None else json.loads(row.draft),
        draft_at=row.draft_at,
        training=item.purpose == "training",
    )


def heartbeat(
    store: Store, assignment_id: int, lease_token: str, *, now: float | None = None
) -> float:
    """Renews the lease; the new ``lease_until``. An expired lease nobody took lives again."""
    epoch = fencing.epoch_of(store, assignment_id, lease_token)

    def work(connection: Connection) -> float:
        row = _mine(connection, assignment_id, epoch)
        moment = now if now is not None else store.now(connection)
        until = float(moment + row.lease_seconds)
        taking.renew(connection, assignment_id, row.item_id, until)
        return until

    return store.write(work)


def release(
    store: Store, assignment_id: int, lease_token: str, *, now: float | None = None
) -> None:
    """Gives the item back; the same person may get it again. Doing it twice is no error."""
    _give_back(store, assignment_id, lease_token, "released", "", now)


def skip(
    store: Store, assignment_id: int, lease_token: str, *, reason: str, now: float | None = None
) -> None:
    """Gives the item back for others, with a reason; this person will not see it again."""
    if not reason.strip() or len(reason) > REASON_LETTERS:
        raise BadInput("Skipping needs a reason.", remedy=f"In {REASON_LETTERS} letters at most.")
    _give_back(store, assignment_id, lease_token, "skipped", reason, now)


def _give_back(
    store: Store, assignment_id: int, token: str, state: str, reason: str, now: float | None
) -> None:
    epoch = fencing.epoch_of(store, assignment_id, token)

    def work(connection: Connection) -> None:
        row = _row(connection, assignment_id)
        if row.epoch == epoch and row.state == state:
            return
        _check(row, epoch)
        moment = now if now is not None else store.now(connection)
        let_go(connection, row, state, reason)
        events.append(
            connection,
            actor=f"annotator:{row.annotator_id}",
            kind=f"lease.{state}",
            payload={"assignment": assignment_id, "item": row.item_id, "reason": reason},
            project_id=row.project_id,
            at=moment,
        )

    store.write(work)


def let_go(connection: Connection, row: Row[Any], state: str, reason: str = "") -> None:
    """Frees the place an assignment holds and marks the assignment."""
    connection.execute(
        update(ASSIGNMENT)
        .where(ASSIGNMENT.c.id == row.id)
        .values(state=state, skip_reason=reason or None, lease_until=0.0)
    )
    held = (SLOT.c.item_id == row.item_id) & (SLOT.c.holder == row.id) & ~SLOT.c.done
    connection.execute(update(SLOT).where(held).values(holder=None, lease_until=0.0))


def save_draft(
    store: Store,
    assignment_id: int,
    lease_token: str,
    draft: Mapping[str, Any],
    *,
    now: float | None = None,
) -> float:
    """Keeps what was entered so far; when it was saved. Also kept when LeaseLost is raised."""
    epoch = fencing.epoch_of(store, assignment_id, lease_token)
    written = canonical_json(dict(draft)).decode()
    if len(written) > DRAFT_BYTES:
        raise BadInput("The draft is too long.", remedy=f"{DRAFT_BYTES:,} bytes are the most.")

    def work(connection: Connection) -> tuple[float, LeaseLost | None]:
        row = _row(connection, assignment_id)
        moment = now if now is not None else store.now(connection)
        if row.epoch == epoch and row.state != "submitted":
            connection.execute(
                update(ASSIGNMENT)
                .where(ASSIGNMENT.c.id == assignment_id)
                .values(draft=written, draft_at=moment)
            )
        return moment, _lost(row, epoch)

    moment, lost = store.write(work)
    if lost is not None:
        raise lost
    return moment


def _row(connection: Connection, assignment_id: int) -> Row[Any]:
    row = connection.execute(_LOCKED, {"assignment_id": assignment_id}).first()
    if row is None:
        raise Unknown(f"There is no assignment {assignment_id}.")
    return row


def _mine(connection: Connection, assignment_id: int, epoch: int) -> Row[Any]:
    row = _row(connection, assignment_id)
    _check(row, epoch)
    return row


def _check(row: Row[Any], epoch: int) -> None:
    lost = _lost(row, epoch)
    if lost is not None:
        raise lost


def _lost(row: Row[Any], epoch: int) -> LeaseLost | None:
    """What happened to a lease that is no longer held; None while it is."""
    for happened, true, sentence in (
        ("removed", not row.active, "This account has been removed."),
        ("submitted", row.state == "submitted", "You have answered this item already."),
        ("retaken", row.epoch != epoch, "You took this item again, perhaps in another tab."),
        ("skipped", row.state == "skipped", "You skipped this item."),
        ("released", row.state == "released", "You gave this item back."),
        ("finished", bool(row.done), "This item was finished by others."),
        (
            "taken",
            row.slot is not None and row.holder != row.id,
            "The lease ran out, and another person has this place now.",
        ),
    ):
        if true:
            return LeaseLost(happened, sentence)
    return None
