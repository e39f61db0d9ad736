"""Items: prompts with their responses, in the order they are asked."""

import json
from collections import namedtuple
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, bindparam, insert, select

from preftune.artifacts import canonical_json, hash_value
from preftune.feedback.kinds import Kind, kind
from preftune.feedback.store import events, projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Conflict, Unknown
from preftune.feedback.store.nouns import Item, NewItem, Project, Response
from preftune.feedback.store.schema import ITEM, RESPONSE, SLOT
from preftune.feedback.store.statements import Prepared
from preftune.records import BadInput

KEPT = 5_000
"""How many items a process remembers."""
AT_ONCE = 500
ROLES = ("system", "user", "assistant", "tool")
_ONE = Prepared(select(ITEM).where(ITEM.c.id == bindparam("number")))
_OneRow = namedtuple("_OneRow", [column.name for column in ITEM.c])  # type: ignore[misc]
_ITS = Prepared(
    select(RESPONSE).where(RESPONSE.c.item_id == bindparam("number")).order_by(RESPONSE.c.place)
)
_ItsRow = namedtuple("_ItsRow", [column.name for column in RESPONSE.c])  # type: ignore[misc]


def add(store: Store, project_id: int, new: Iterable[NewItem], *, actor: str) -> int:
    """Adds items with their places; how many were new.

    An item that is there already with the same content is passed over; other content under the
    same id is a Conflict, and nothing is added.
    """
    project = projects.by_id(store, project_id)
    rows = [_row(project, item) for item in new]
    names = {row["name"] for row in rows}
    if len(names) < len(rows):
        twice = next(n for n in names if sum(row["name"] == n for row in rows) > 1)
        raise Conflict(f'The id "{twice}" is given to two items.')

    def work(connection: Connection) -> int:
        known = _known(connection, project_id, sorted(names))
        changed = [
            row["name"] for row in rows if known.get(row["name"], row["hash"]) != row["hash"]
        ]
        if changed:
            raise Conflict(
                f'The item "{changed[0]}" is there already, with other content.',
                remedy="Items never change: give the new one another id.",
            )
        fresh = [row for row in rows if row["name"] not in known]
        if not fresh:
            return 0
        projects.rewind(connection, project_id)
        overlap = projects.project_in(connection, project_id).overlap
        seq = events.append(
            connection,
            actor=actor,
            kind="items.added",
            payload={"count": len(fresh), "sha256": hash_value([row["hash"] for row in fresh])},
            project_id=project_id,
            at=store.now(connection),
        )
        for start in range(0, len(fresh), AT_ONCE):
            _insert(connection, project_id, fresh[start : start + AT_ONCE], overlap, seq)
        return len(fresh)

    return store.write(work)


def _known(connection: Connection, project_id: int, names: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(names), AT_ONCE):
        part = names[start : start + AT_ONCE]
        chosen = select(ITEM.c.name, ITEM.c.body_hash).where(
            ITEM.c.project_id == project_id, ITEM.c.name.in_(part)
        )
        found.update((row.name, row.body_hash) for row in connection.execute(chosen))
    return found


def _insert(
    connection: Connection, project_id: int, rows: Sequence[Any], overlap: int, seq: int
) -> None:
    made = insert(ITEM).returning(ITEM.c.id, ITEM.c.name, sort_by_parameter_order=True)
    values = [
        {**row["item"], "project_id": project_id, "body_hash": row["hash"], "added_seq": seq}
        for row in rows
    ]
    numbers = [one.id for one in connection.execute(made, values)]
    responses = [
        {**response, "item_id": number}
        for number, row in zip(numbers, rows, strict=True)
        for response in row["responses"]
    ]
    if responses:
        connection.execute(insert(RESPONSE), responses)
    places = [
        {"item_id": number, "slot": n, "project_id": project_id, "precedence": -row["priority"]}
        for number, row in zip(numbers, rows, strict=True)
        if row["item"]["purpose"] == "work"
        for n in range(1, overlap + 1)
    ]
    if places:
        connection.execute(insert(SLOT), places)


def _row(project: Project, item: NewItem) -> dict[str, Any]:
    one = kind(project.kind)
    responses = [r if isinstance(r, Response) else Response(r) for r in item.responses]
    _check(one, item, responses)
    gold = None
    if item.gold is not None:
        gold = canonical_json(_gold(project, one, item, responses)).decode()
    purpose = "training" if item.training else "gold" if gold is not None else "work"
    columns = {
        "name": item.id,
        "prompt": _json(item.prompt, item.id),
        "columns": _json(dict(item.columns), item.id),
        "purpose": purpose,
        "gold": gold,
        "explanation": item.explanation,
        "priority": float(item.priority),
        "selection_probability": float(item.selection_probability),
        "group_id": item.group_id,
    }
    written = [
        {
            "place": place,
            "text": json.dumps(response.text),
            "model": response.model,
            "sampling": None
            if response.sampling is None
            else _json(dict(response.sampling), item.id),
        }
        for place, response in enumerate(responses)
    ]
    return {
        "name": item.id,
        "item": columns,
        "responses": written,
        "priority": float(item.priority),
        "hash": hash_value([columns, written]),
    }


def _check(one: Kind, item: NewItem, responses: Sequence[Response]) -> None:
    low, high = one.responses
    turns = [] if isinstance(item.prompt, str) else item.prompt
    needs = f"{low}" if low == high else f"{low} to {high}"
    for wrong, sentence in (
        (not item.id or not item.id.isprintable() or len(item.id) > 200, "has no usable id"),
        (
            not low <= len(responses) <= high,
            f"has {len(responses)} responses; kind {one.name} needs {needs}",
        ),
        (item.training and item.gold is None, "is for training and has no known answer (gold)"),
        (not 0 < item.selection_probability <= 1, "has a selection_probability outside 0 to 1"),
        (
            any(set(turn) != {"role", "content"} or turn["role"] not in ROLES for turn in turns),
            'has a prompt whose turns are not {"role", "content"}',
        ),
    ):
        if wrong:
            raise BadInput(f'The item "{item.id}" {sentence}.')


def _gold(project: Project, one: Kind, item: NewItem, responses: Sequence[Response]) -> Any:
    question = one.question.model_validate(project.question)
    try:
        answer = one.answer.model_validate(dict(item.gold or {}))
        fault = one.check(question, answer, [response.text for response in responses])
    except ValidationError as error:
        fault = str(error.errors()[0]["msg"])
    if fault:
        raise BadInput(f'The known answer of item "{item.id}" cannot be used: {fault}')
    return answer.model_dump(mode="json")


def _json(value: Any, name: str) -> str:
    try:
        return canonical_json(
            [dict(v) for v in value] if isinstance(value, tuple) else value
        ).decode()
    except TypeError as error:
        raise BadInput(f'The item "{name}" holds something JSON cannot: {error}.') from None


def by_number(store: Store, number: int) -> Item:
    """One item. Raises Unknown."""
    kept = store.items.get(number)
    if kept is not None:
        return kept
    with store.reading() as connection:
        found = by_number_in(store, connection, number)
    remember(store, found)
    return found


def by_number_in(store: Store, connection: Connection, number: int) -> Item:
    """The same inside a transaction; remember it only when that is committed."""
    kept: Item | None = store.items.get(number)
    if kept is not None:
        return kept
    row = _ONE.first(connection, {"number": number})
    if row is None:
        raise Unknown(f"There is no item number {number}.")
    texts = [_response(_ItsRow(*one)) for one in _ITS.all(connection, {"number": number})]
    return _item(_OneRow(*row), texts)


def remember(store: Store, item: Item) -> None:
    """Keeps an item, which never changes."""
    if len(store.items) >= KEPT:
        store.items.clear()
    store.items[item.number] = item


def named(store: Store, project_id: int, name: str) -> Item:
    """The item that came with this id. Raises Unknown."""
    with store.reading() as connection:
        chosen = select(ITEM).where(ITEM.c.project_id == project_id, ITEM.c.name == name)
        found = _items(connection, connection.execute(chosen))
    if not found:
        raise Unknown(f'There is no item "{name}" in this project.')
    return found[0]


def listed(store: Store, project_id: int, *, after: int = 0, limit: int = 100) -> list[Item]:
    """Items in the order they were added, from the number after ``after`` on."""
    with store.reading() as connection:
        return listed_in(connection, project_id, after=after, limit=limit)


def listed_in(
    connection: Connection,
    project_id: int,
    *,
    after: int,
    limit: int,
    watermark: int | None = None,
) -> list[Item]:
    """The same inside a transaction; with a watermark, only what was there by then."""
    chosen = select(ITEM).where(ITEM.c.project_id == project_id, ITEM.c.id > after)
    if watermark is not None:
        chosen = chosen.where(ITEM.c.added_seq <= watermark)
    return _items(connection, connection.execute(chosen.order_by(ITEM.c.id).limit(limit)))


def _items(connection: Connection, found: Iterable[Row[Any]]) -> list[Item]:
    rows = list(found)
    texts: dict[int, list[Response]] = {}
    for start in range(0, len(rows), AT_ONCE):
        numbers = [row.id for row in rows[start : start + AT_ONCE]]
        chosen = select(RESPONSE).where(RESPONSE.c.item_id.in_(numbers))
        for one in connection.execute(chosen.order_by(RESPONSE.c.item_id, RESPONSE.c.place)):
            texts.setdefault(one.item_id, []).append(_response(one))
    return [_item(row, texts.get(row.id, ())) for row in rows]


def _response(row: Any) -> Response:
    sampling = None if row.sampling is None else json.loads(row.sampling)
    return Response(json.loads(row.text), row.model, sampling)


def _item(row: Any, responses: Sequence[Response]) -> Item:
    return Item(
        number=row.id,
        project_id=row.project_id,
        name=row.name,
        prompt=json.loads(row.prompt),
        responses=tuple(responses),
        columns=json.loads(row.columns),
        purpose=row.purpose,
        gold=None if row.gold is None else json.loads(row.gold),
        explanation=row.explanation,
        priority=row.priority,
        selection_probability=row.selection_probability,
        group_id=row.group_id,
    )
