"""Items the annotators disagree about, decided by a lead; the votes stay as they are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from sqlalchemy import Connection, insert, select

from preftune.feedback.kinds import Measure
from preftune.feedback.store import answers, events, fixed, items, latest, people
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Forbidden
from preftune.feedback.store.nouns import Item, Judgment
from preftune.feedback.store.schema import DECISION, ITEM, SLOT

ErrorKind = Literal["", "ambiguous", "guideline_gap", "annotator_error", "edge_case", "subjective"]


@dataclass(frozen=True, slots=True)
class Disputed:
    """An item in the queue. ``votes`` is empty until the lead has said their own blind answer."""

    item: Item
    disagreement: float
    votes: tuple[Judgment, ...]
    blind: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A lead's decision about an item."""

    item_number: int
    annotator_id: int
    stage: Literal["blind", "final"]
    answer: Mapping[str, Any]
    confidence: str
    error_kind: str
    note: str
    guideline_change: bool
    created_at: float
    seq: int


def queue(store: Store, project_id: int, *, annotator_id: int, limit: int = 50) -> list[Disputed]:
    """Undecided items with all their judgments in, most disputed first."""
    with store.reading() as connection:
        settled = _settled(connection, project_id)
        disputed = [
            (disagreement(store, said), said)
            for said in latest.last_revisions(connection, project_id)
            if said[0].item_number not in settled
        ]
    worst = sorted(disputed, key=lambda pair: (-pair[0], pair[1][0].item_number))
    return [
        _seen_by(store, said[0].item_number, annotator_id, said)
        for how_much, said in worst[:limit]
        if how_much > 0
    ]


def _settled(connection: Connection, project_id: int) -> set[int]:
    """Items that are decided, or still wait for a judgment."""
    decided = (
        select(DECISION.c.item_id)
        .join(ITEM, ITEM.c.id == DECISION.c.item_id)
        .where(ITEM.c.project_id == project_id, DECISION.c.stage == "final")
    )
    waiting = select(SLOT.c.item_id).where(SLOT.c.project_id == project_id, ~SLOT.c.done)
    return {*connection.scalars(decided), *connection.scalars(waiting)}


def disagreement(store: Store, said: Sequence[Judgment]) -> float:
    """The mean distance of two judgments, over what both said something about; 0 is none.

    By the kind's headline measure: 0 or 1 for a nominal one, else the difference as a share of
    the range given. A comparison's strengths count too: a strong A against a strong B is further
    apart than a slight one.
    """
    asking = fixed.asking(store, said[0].project_id)
    item = items.by_number(store, said[0].item_number)
    texts = [response.text for response in item.responses]
    votes = []
    for one in said:
        answer = asking.kind.answer.model_validate(dict(one.answer))
        votes.append(asking.kind.values(asking.question, answer, texts))
    distances = [
        distance
        for measure in asking.kind.measures(asking.question)
        for distance in _distances([vote.get(measure.name, {}) for vote in votes], measure)
    ]
    return sum(distances) / len(distances) if distances else 0.0


def _distances(given: Sequence[Mapping[str, float]], measure: Measure) -> Iterator[float]:
    """Of every two answers, on every unit both speak of."""
    numbers = [value for units in given for value in units.values()]
    span = max(numbers, default=0.0) - min(numbers, default=0.0)
    for first, second in combinations(given, 2):
        for unit in first.keys() & second.keys():
            gap = abs(first[unit] - second[unit])
            yield float(gap > 0) if measure.level == "nominal" else gap / (span or 1.0)


def look(store: Store, item_number: int, *, annotator_id: int) -> Disputed:
    """One item of the queue: the votes only after this lead's blind answer."""
    item = items.by_number(store, item_number)
    with store.reading() as connection:
        for said in latest.last_revisions(connection, item.project_id):
            if said[0].item_number == item_number:
                return _seen_by(store, item_number, annotator_id, said)
    return _seen_by(store, item_number, annotator_id, [])


def _seen_by(
    store: Store, item_number: int, annotator_id: int, said: Sequence[Judgment]
) -> Disputed:
    mine = (DECISION.c.item_id == item_number) & (DECISION.c.annotator_id == annotator_id)
    blind = select(DECISION.c.answer).where(mine, DECISION.c.stage == "blind")
    with store.reading() as connection:
        answer = connection.scalar(blind.order_by(DECISION.c.id).limit(1))
    return Disputed(
        item=items.by_number(store, item_number),
        disagreement=disagreement(store, said) if said else 0.0,
        votes=tuple(said) if answer is not None else (),
        blind=None if answer is None else json.loads(answer),
    )


def say_blind(
    store: Store, item_number: int, *, annotator_id: int, answer: Mapping[str, Any]
) -> Disputed:
    """The lead's own answer before seeing the votes; the item with its votes.

    The first blind answer stays: saying another one changes nothing.
    """
    if look(store, item_number, annotator_id=annotator_id).blind is None:
        _add(store, item_number, annotator_id, "blind", Ruling(answer))
    return look(store, item_number, annotator_id=annotator_id)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What ``decide`` stores."""

    answer: Mapping[str, Any]
    confidence: Literal["", "low", "medium", "high"] = ""
    error_kind: ErrorKind = ""
    note: str = ""
    guideline_change: bool = False


def decide(store: Store, item_number: int, ruling: Ruling, *, annotator_id: int) -> Decision:
    """The final decision. Forbidden before the blind answer; deciding again appends."""
    if look(store, item_number, annotator_id=annotator_id).blind is None:
        raise Forbidden("Say first what you would have answered, before seeing the votes.")
    return _add(store, item_number, annotator_id, "final", ruling)


def _add(store: Store, item_number: int, annotator_id: int, stage: str, ruling: Ruling) -> Decision:
    item = items.by_number(store, item_number)
    answer = answers.checked_answer(fixed.asking(store, item.project_id), item, ruling.answer)

    def work(connection: Connection) -> None:
        person = people.by_id_in(connection, annotator_id)
        if not person.active or person.role not in ("lead", "admin"):
            raise Forbidden("Only a lead or an admin decides.")
        at = store.now(connection)
        row = {
            "item_id": item_number,
            "annotator_id": annotator_id,
            "stage": stage,
            "answer": answer,
            "confidence": ruling.confidence,
            "error_kind": ruling.error_kind,
            "note": ruling.note,
            "guideline_change": ruling.guideline_change,
            "created_at": at,
        }
        seq = events.append(
            connection,
            actor=f"annotator:{annotator_id}",
            kind=f"decision.{stage}",
            payload={"item": item_number, "row": events.decision_digest(row)},
            project_id=item.project_id,
            at=at,
        )
        connection.execute(insert(DECISION).values(**row, seq=seq))

    store.write(work)
    return decisions(store, item.project_id, stage=stage)[-1]


def decisions(
    store: Store, project_id: int, *, stage: str = "final", watermark: int | None = None
) -> list[Decision]:
    """All final decisions, oldest first; of an item decided twice the last one holds."""
    with store.reading() as connection:
        return decisions_in(connection, project_id, stage=stage, watermark=watermark)


def decisions_in(
    connection: Connection, project_id: int, *, stage: str, watermark: int | None
) -> list[Decision]:
    """The same inside a transaction."""
    chosen = (
        select(DECISION)
        .join(ITEM, ITEM.c.id == DECISION.c.item_id)
        .where(ITEM.c.project_id == project_id, DECISION.c.stage == stage)
        .order_by(DECISION.c.seq)
    )
    if watermark is not None:
        chosen = chosen.where(DECISION.c.seq <= watermark)
    return [
        Decision(
            item_number=row.item_id,
            annotator_id=row.annotator_id,
            stage=row.stage,
            answer=json.loads(row.answer),
            confidence=row.confidence,
            error_kind=row.error_kind,
            note=row.note,
            guideline_change=bool(row.guideline_change),
            created_at=row.created_at,
            seq=row.seq,
        )
        for row in connection.execute(chosen)
    ]
