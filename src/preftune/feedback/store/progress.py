"""How far a project is, how long it took, and what it cost."""

from collections.abc import Collection
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import Connection, func, select

from preftune.feedback.store import projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.schema import ANNOTATOR, ASSIGNMENT, ITEM, JUDGMENT, SLOT

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class AnnotatorProgress:
    """One person's part of a project; seconds are of activity, not of the clock on the wall."""

    annotator_id: int
    name: str
    group: str
    origin: str
    judgments: int
    skipped: int
    active_seconds: float
    median_seconds: float | None
    last_at: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts over ordinary items; training and gold are apart."""

    items: int
    items_done: int
    places: int
    places_done: int
    places_leased: int
    surplus: int
    revised: int
    skipped: int
    active_seconds: float
    seconds_per_judgment: float | None
    cost: float | None
    annotators: tuple[AnnotatorProgress, ...]


def summary(store: Store, project_id: int) -> Progress:
    """The figures now. Cost is active time on everything, lessons and checks included."""
    with store.reading() as connection:
        project = projects.project_in(connection, project_id)
        people = _people(connection, project_id)
        seconds = float(sum(person.active_seconds for person in people))
        timed = _timed(connection, project_id)
        rate = project.cost_per_hour
        return Progress(
            **_places(connection, project_id, store.now(connection)),
            **_counts(connection, project_id),
            active_seconds=seconds,
            seconds_per_judgment=seconds / timed if timed else None,
            cost=None if rate is None else seconds / HOUR * rate,
            annotators=tuple(people),
        )


def _places(connection: Connection, project_id: int, now: float) -> dict[str, int]:
    slots = select(SLOT.c.item_id, SLOT.c.done, SLOT.c.lease_until)
    places = slots.where(SLOT.c.project_id == project_id).subquery()
    per_item = (
        select(
            func.count().label("places"),
            func.count().filter(places.c.done).label("done"),
            func.count().filter(~places.c.done, places.c.lease_until > now).label("leased"),
        )
        .group_by(places.c.item_id)
        .subquery()
    )
    row = connection.execute(
        select(
            func.count(),
            func.count().filter(per_item.c.done == per_item.c.places),
            func.coalesce(func.sum(per_item.c.places), 0),
            func.coalesce(func.sum(per_item.c.done), 0),
            func.coalesce(func.sum(per_item.c.leased), 0),
        )
    ).one()
    names = ("items", "items_done", "places", "places_done", "places_leased")
    return {name: int(value) for name, value in zip(names, row, strict=True)}


def items_done(store: Store, project_id: int, names: Collection[str]) -> set[str]:
    """Which of these items have all the judgments they are to get."""
    open_places = (
        select(SLOT.c.item_id).where(SLOT.c.project_id == project_id, ~SLOT.c.done).distinct()
    )
    chosen = select(ITEM.c.name).where(
        ITEM.c.project_id == project_id, ITEM.c.purpose == "work", ITEM.c.id.not_in(open_places)
    )
    with store.reading() as connection:
        return set(connection.scalars(chosen)) & set(names)


def _counts(connection: Connection, project_id: int) -> dict[str, int]:
    here = (JUDGMENT.c.project_id == project_id) & (JUDGMENT.c.item_id == ITEM.c.id)
    mine = here & (ITEM.c.purpose == "work")

    def count(*conditions: Any) -> int:
        return int(connection.scalar(select(func.count()).where(*conditions)) or 0)

    skipped = (ASSIGNMENT.c.project_id == project_id) & (ASSIGNMENT.c.state == "skipped")
    return {
        "surplus": count(mine, JUDGMENT.c.status == "surplus", JUDGMENT.c.revision == 1),
        "revised": count(mine, JUDGMENT.c.revision > 1),
        "skipped": count(skipped),
    }


def _timed(connection: Connection, project_id: int) -> int:
    """Judgments whose active time is known."""
    here = (JUDGMENT.c.project_id == project_id) & JUDGMENT.c.active_ms.is_not(None)
    return int(connection.scalar(select(func.count()).where(here, JUDGMENT.c.revision == 1)) or 0)


def _people(connection: Connection, project_id: int) -> list[AnnotatorProgress]:
    times: dict[int, list[float]] = {}
    made: dict[int, list[float]] = {}
    chosen = select(
        JUDGMENT.c.annotator_id, JUDGMENT.c.active_ms, JUDGMENT.c.created_at, JUDGMENT.c.revision
    ).where(JUDGMENT.c.project_id == project_id)
    for row in connection.execute(chosen.order_by(JUDGMENT.c.seq)):
        times.setdefault(row.annotator_id, [])
        if row.active_ms is not None:
            times[row.annotator_id].append(row.active_ms / 1000)
        if row.revision == 1:
            made.setdefault(row.annotator_id, []).append(row.created_at)
    skips = (
        select(ASSIGNMENT.c.annotator_id, func.count())
        .where(ASSIGNMENT.c.project_id == project_id, ASSIGNMENT.c.state == "skipped")
        .group_by(ASSIGNMENT.c.annotator_id)
    )
    skipped = {row[0]: int(row[1]) for row in connection.execute(skips)}
    ids = sorted({*times, *skipped})
    names = select(ANNOTATOR).where(ANNOTATOR.c.id.in_(ids)).order_by(ANNOTATOR.c.id)
    return [
        AnnotatorProgress(
            annotator_id=row.id,
            name=row.name,
            group=row.group_name,
            origin=row.origin,
            judgments=len(made.get(row.id, [])),
            skipped=skipped.get(row.id, 0),
            active_seconds=float(sum(times.get(row.id, []))),
            median_seconds=median(times[row.id]) if times.get(row.id) else None,
            last_at=max(made[row.id]) if made.get(row.id) else None,
        )
        for row in connection.execute(names)
    ]


def done_by(store: Store, project_id: int, annotator_id: int, *, since: float = 0.0) -> int:
    """How many judgments this person has made since a time."""
    chosen = select(func.count()).where(
        JUDGMENT.c.project_id == project_id,
        JUDGMENT.c.annotator_id == annotator_id,
        JUDGMENT.c.revision == 1,
        JUDGMENT.c.created_at >= since,
    )
    with store.reading() as connection:
        return int(connection.scalar(chosen) or 0)
