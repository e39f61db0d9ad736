"""Projects: one kind of question, asked of many items."""

import json
import secrets
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from preftune.artifacts import canonical_json
from preftune.feedback.kinds import Kind, Question, kind
from preftune.feedback.store import events
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Conflict, Unknown
from preftune.feedback.store.nouns import Project, ProjectSettings, Training
from preftune.feedback.store.schema import GUIDELINE, ITEM, MEMBERSHIP, PROJECT, SLOT
from preftune.records import BadInput

MOST_OVERLAP = 100


def create(store: Store, settings: ProjectSettings, *, actor: str) -> Project:
    """A new project with its first guideline. BadInput for settings that cannot be, Conflict."""
    question = checked(settings)
    training = settings.training or Training(items=0)

    def work(connection: Connection) -> int:
        if connection.scalar(select(PROJECT.c.id).where(PROJECT.c.name == settings.name)):
            raise Conflict(f'There is a project "{settings.name}" already.')
        at = store.now(connection)
        row = {
            "name": settings.name,
            "kind": settings.kind,
            "question": canonical_json(question.model_dump(mode="json")).decode(),
            "title": settings.title,
            "overlap": settings.overlap,
            "lease_seconds": settings.lease_seconds,
            "undo_seconds": settings.undo_seconds,
            "training_items": training.items,
            "training_pass_mark": training.pass_mark,
            "gold_fraction": settings.gold_fraction,
            "cost_per_hour": settings.cost_per_hour,
        }
        made = insert(PROJECT).values(**row, key=secrets.token_hex(32), created_at=at)
        project_id = connection.execute(made.returning(PROJECT.c.id)).scalar_one()
        connection.execute(
            insert(GUIDELINE).values(
                project_id=project_id,
                version=1,
                text=settings.instructions,
                actor=actor,
                published_at=at,
            )
        )
        events.append(
            connection,
            actor=actor,
            kind="project.created",
            payload={**row, "instructions": settings.instructions},
            project_id=project_id,
            at=at,
        )
        return int(project_id)

    try:
        return by_id(store, store.write(work))
    except IntegrityError as error:
        raise Conflict(f'There is a project "{settings.name}" already.') from error


def checked(settings: ProjectSettings) -> Question:
    """The question as the kind's own model. BadInput for settings that cannot be."""
    one = kind(settings.kind)
    training = settings.training or Training()
    for wrong, sentence in (
        (not settings.name.isprintable() or not settings.name.strip(), "A project needs a name."),
        ("#" in settings.name or "/" in settings.name, 'A project\'s name has no "#" or "/".'),
        (not 1 <= settings.overlap <= MOST_OVERLAP, f"overlap must be 1 to {MOST_OVERLAP}."),
        (settings.lease_seconds <= 0, "lease_seconds must be above 0."),
        (settings.undo_seconds < 0, "undo_seconds must not be negative."),
        (not 0 <= settings.gold_fraction <= 0.5, "gold_fraction must be 0 to 0.5."),
        (training.items < 1, "A training session needs at least one item."),
        (not 0 < training.pass_mark <= 1, "pass_mark must be above 0, and 1 at most."),
        ((settings.cost_per_hour or 0) < 0, "cost_per_hour must not be negative."),
    ):
        if wrong:
            raise BadInput(sentence, remedy=f'See the project "{settings.name}".')
    return question_of(one, settings.question)


def question_of(one: Kind, given: Any) -> Question:
    """A kind's question from plain values. BadInput says which key is wrong."""
    try:
        return one.question.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "question"
        raise BadInput(
            f"The question of kind {one.name} cannot be used: {place}: {first['msg']}.",
            remedy=f"Its keys are {', '.join(one.question.model_fields)}.",
        ) from None


def named(store: Store, name: str) -> Project:
    """The project of this name. Raises Unknown, naming those there are."""
    with store.reading() as connection:
        row = connection.execute(select(PROJECT).where(PROJECT.c.name == name)).mappings().first()
        if row is not None:
            return _project(row)
        known = connection.scalars(select(PROJECT.c.name).order_by(PROJECT.c.id)).all()
    names = ", ".join(known) or "none yet"
    raise Unknown(f'There is no project "{name}".', remedy=f"Projects: {names}.")


def by_id(store: Store, project_id: int) -> Project:
    """The project with this id. Raises Unknown."""
    with store.reading() as connection:
        return project_in(connection, project_id)


def project_in(connection: Connection, project_id: int) -> Project:
    """The same inside a transaction."""
    found = select(PROJECT).where(PROJECT.c.id == project_id)
    row = connection.execute(found).mappings().first()
    if row is None:
        raise Unknown(f"There is no project with the id {project_id}.")
    return _project(row)


def all(store: Store) -> list[Project]:
    """Every project, oldest first."""
    with store.reading() as connection:
        rows = connection.execute(select(PROJECT).order_by(PROJECT.c.id)).mappings().all()
    return [_project(row) for row in rows]


def pause(store: Store, project_id: int, *, actor: str) -> None:
    """Hands out no more items; what is out may still come in."""
    _set_state(store, project_id, "paused", actor)


def reopen(store: Store, project_id: int, *, actor: str) -> None:
    """Hands out items again."""
    _set_state(store, project_id, "open", actor)


def _set_state(store: Store, project_id: int, state: str, actor: str) -> None:
    def work(connection: Connection) -> None:
        project_in(connection, project_id)
        change = update(PROJECT).where(PROJECT.c.id == project_id).values(state=state)
        connection.execute(change)
        events.append(
            connection,
            actor=actor,
            kind=f"project.{state}",
            payload={},
            project_id=project_id,
            at=store.now(connection),
        )

    store.write(work)


def raise_overlap(store: Store, project_id: int, overlap: int, *, actor: str) -> int:
    """More judgments for each item; returns how many places were added.

    BadInput when it is not more than before: places that are filled cannot be taken back.
    """

    def work(connection: Connection) -> int:
        before = connection.scalar(
            select(PROJECT.c.overlap).where(PROJECT.c.id == project_id).with_for_update()
        )
        if before is None:
            raise Unknown(f"There is no project with the id {project_id}.")
        if not before < overlap <= MOST_OVERLAP:
            raise BadInput(f"The overlap is {before}; it can only be raised, to {MOST_OVERLAP}.")
        change = update(PROJECT).where(PROJECT.c.id == project_id).values(overlap=overlap)
        connection.execute(change)
        work_items = select(ITEM.c.id, ITEM.c.priority).where(
            ITEM.c.project_id == project_id, ITEM.c.purpose == "work"
        )
        places = [
            {"item_id": row.id, "slot": n, "project_id": project_id, "precedence": -row.priority}
            for row in connection.execute(work_items)
            for n in range(before + 1, overlap + 1)
        ]
        if places:
            connection.execute(insert(SLOT), places)
        rewind(connection, project_id)
        events.append(
            connection,
            actor=actor,
            kind="project.overlap",
            payload={"before": before, "after": overlap},
            project_id=project_id,
            at=store.now(connection),
        )
        return len(places)

    return store.write(work)


def rewind(connection: Connection, project_id: int) -> None:
    """Everyone looks for work from the front of the queue again."""
    connection.execute(
        update(MEMBERSHIP)
        .where(MEMBERSHIP.c.project_id == project_id)
        .values(precedence=None, reached=None)
    )


def _project(row: RowMapping) -> Project:
    fields = {name: row[name] for name in row if not str(name).startswith("training_")}
    training = Training(row["training_items"], row["training_pass_mark"])
    project = Project(
        **{**fields, "question": json.loads(row["question"])},
        training=training if training.items else None,
    )
    return replace(project, id=int(project.id))
