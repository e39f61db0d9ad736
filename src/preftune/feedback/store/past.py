"""Votes given elsewhere, taken in as judgments: whose they are and how they were come by stays.

Every vote fills a place of its item, has its annotator and origin, an event in the audit log and an
id made from project, item and annotator: taking the same file in again adds nothing.
"""

import hashlib
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text, update

from preftune.artifacts import canonical_json, hash_value
from preftune.feedback.store import answers, fixed, guidelines, items, judgments, people
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Conflict, InvalidAnswer, Unknown
from preftune.feedback.store.fixed import Asking
from preftune.feedback.store.nouns import NOTHING_MORE, Annotator, Item, NewAnnotator, Origin
from preftune.feedback.store.schema import ASSIGNMENT, SLOT
from preftune.feedback.store.statements import Prepared
from preftune.records import BadInput

UI_VERSION = "import"
BLOCK = 500
NAME_LETTERS = 80

_NEW = ("project_id", "item_id", "annotator_id", "slot", "state", "epoch", "lease_until")
_ASSIGN = Prepared(
    insert(ASSIGNMENT).returning(ASSIGNMENT.c.id), (*_NEW, "guideline_version", "taken_at")
)
_MINE = Prepared(
    select(ASSIGNMENT.c.state).where(
        ASSIGNMENT.c.item_id == bindparam("item_id"),
        ASSIGNMENT.c.annotator_id == bindparam("annotator_id"),
    )
)
_OPEN = Prepared(
    select(SLOT.c.slot)
    .where(SLOT.c.item_id == bindparam("item_id"), ~SLOT.c.done, SLOT.c.holder.is_(None))
    .order_by(SLOT.c.slot)
    .limit(1)
    .with_for_update()
)
_FILL = Prepared(
    update(SLOT)
    .where(SLOT.c.item_id == bindparam("item"), SLOT.c.slot == bindparam("place"))
    .values(done=text("true"), holder=bindparam("assignment"))
)


@dataclass(frozen=True, slots=True)
class PastVote:
    """One vote: ``item`` is the item's own id, ``annotator`` the name it came with.

    ``order``: which response was shown where, if that is known; ``more`` is kept beside it.
    """

    item: str
    annotator: str
    answer: Mapping[str, Any]
    group: str = ""
    origin: Origin = "human"
    order: tuple[int, ...] = ()
    more: Mapping[str, Any] = field(default_factory=lambda: NOTHING_MORE)


def add(store: Store, project_id: int, votes: Sequence[PastVote], *, actor: str) -> tuple[int, int]:
    """Takes votes in; how many were new, and how many were there already.

    An annotator of the file becomes a labeler "PROJECT: NAME" who cannot log in. Raises Unknown for
    an item that is not there, InvalidAnswer, Conflict for another vote of the same annotator on
    the same item, and BadInput where an item has more votes than places; then nothing is added.
    """
    asking = fixed.asking(store, project_id)
    found = {item.name: item for item in items.listed(store, project_id, limit=2**62)}
    for vote in votes:
        if vote.item not in found:
            raise Unknown(f'There is no item "{vote.item}" in this project.')
    many = Counter(vote.item for vote in votes).most_common(1)
    if many and many[0][1] > asking.project.overlap:
        raise BadInput(
            f'The item "{many[0][0]}" has {many[0][1]} votes; '
            f"this project asks for {asking.project.overlap} judgments an item.",
            remedy=f"Make a project with --overlap {many[0][1]}.",
        )
    rows = [_row(asking, found[vote.item], vote) for vote in votes]
    known = {person.name: person for person in people.all(store)}
    version = guidelines.current(store, project_id).version
    new = 0
    for start in range(0, len(votes), BLOCK):
        part = range(start, min(start + BLOCK, len(votes)))

        def work(connection: Connection, part: range = part) -> int:
            count = 0
            for place in part:
                vote, item = votes[place], found[votes[place].item]
                who = _labeler(connection, store, asking, vote, known, actor)
                count += _add(connection, store, item, who, rows[place], version)
            return count

        new += store.write(work)
    return new, len(votes) - new


def _row(asking: Asking, item: Item, vote: PastVote) -> dict[str, Any]:
    """The vote as columns of a judgment. Raises InvalidAnswer naming the item."""
    try:
        answer = answers.checked_answer(asking, item, vote.answer)
    except InvalidAnswer as error:
        raise InvalidAnswer(
            f'A vote on item "{item.name}" does not fit the question. {error.sentence}',
            remedy="Make a project whose question has this scale, such as "
            "--set question.scale=2-way.",
        ) from None
    shown: dict[str, Any] = {"order": list(vote.order), "ui_version": UI_VERSION}
    shown |= {"rendered": False} | ({"extra": dict(vote.more)} if vote.more else {})
    digest = hashlib.sha256(f"{item.project_id}|{item.name}|{vote.annotator}".encode()).digest()
    name = str(uuid.UUID(bytes=digest[:16], version=4))
    return {
        "answer": answer,
        "presentation": canonical_json(shown).decode(),
        "active_ms": None,
        "wall_ms": None,
        "submission_id": name,
        "judgment_id": name,
        "body_hash": hash_value({"answer": answer, "presentation": shown}),
        "revision": 1,
        "status": "counted",
    }


def _labeler(
    connection: Connection,
    store: Store,
    asking: Asking,
    vote: PastVote,
    known: dict[str, Annotator],
    actor: str,
) -> Annotator:
    name = f"{asking.project.name}: {vote.annotator}"
    if len(name) > NAME_LETTERS:
        name = f"{name[:60]}-{hash_value(name)[:16]}"
    person = known.get(name)
    if person is None:
        new = NewAnnotator(name, group=vote.group, origin=vote.origin, version=UI_VERSION)
        person = people.by_id_in(connection, people.add_in(connection, store, new, actor, None))
        known[name] = person
    if (person.origin, person.group) != (vote.origin, vote.group):
        raise Conflict(f'"{name}" is there already, as {person.origin} of group "{person.group}".')
    return person


def _add(
    connection: Connection,
    store: Store,
    item: Item,
    who: Annotator,
    row: dict[str, Any],
    version: int,
) -> int:
    """1 when the vote was new, 0 when it was there."""
    if judgments.replayed_in(connection, row["submission_id"], row["body_hash"]) is not None:
        return 0
    now, mine = store.now(connection), {"item_id": item.number, "annotator_id": who.id}
    if _MINE.first(connection, mine) is not None:
        raise Conflict(f'"{who.name}" has the item "{item.name}" already.')
    place = _OPEN.first(connection, mine)
    if place is None:
        raise BadInput(
            f'The item "{item.name}" has no place left for another judgment.',
            remedy="Raise the project's overlap, or take the votes into a new project.",
        )
    taken = {**mine, "project_id": item.project_id, "slot": place[0], "state": "submitted"}
    taken |= {"epoch": 1, "lease_until": now, "guideline_version": version, "taken_at": now}
    assignment = int(_ASSIGN.first(connection, taken)[0])
    _FILL.change(connection, {"item": item.number, "place": place[0], "assignment": assignment})
    lease = judgments.Lease(
        id=assignment,
        project_id=item.project_id,
        item_id=item.number,
        annotator_id=who.id,
        slot=int(place[0]),
        state="submitted",
        epoch=1,
        lease_until=now,
        guideline_version=version,
        attempt=0,
        origin=who.origin,
        active=True,
        version=who.version,
        group=who.group,
    )
    filled = {**row, "slot": int(place[0]), "guideline_version": version}
    judgments.add_in(connection, lease, filled, now)
    return 1
