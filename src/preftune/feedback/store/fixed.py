"""What never changes, remembered by each process: an assignment's item, a project's question."""

from typing import NamedTuple

from sqlalchemy import select

from preftune.feedback.kinds import Kind, Question, kind
from preftune.feedback.store import projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Unknown
from preftune.feedback.store.nouns import Project
from preftune.feedback.store.schema import ASSIGNMENT

KEPT = 20_000


class Owner(NamedTuple):
    """Whose assignment of what."""

    project_id: int
    item_id: int
    annotator_id: int


class Asking(NamedTuple):
    """A project's kind and question. Of the project, only what never changes may be read."""

    project: Project
    kind: Kind
    question: Question


def remember(
    store: Store, assignment_id: int, project_id: int, item_id: int, annotator_id: int
) -> None:
    """Keeps whose assignment this is."""
    if len(store.fixed) >= KEPT:
        store.fixed.clear()
    store.fixed["assignment", assignment_id] = Owner(project_id, item_id, annotator_id)


def knows(store: Store, assignment_id: int) -> bool:
    """Whether nothing of this assignment would have to be read."""
    kept = store.fixed.get(("assignment", assignment_id))
    return (
        kept is not None
        and ("project", kept.project_id) in store.fixed
        and kept.item_id in store.items
    )


def owner(store: Store, assignment_id: int) -> Owner:
    """Whose assignment of what. Raises Unknown."""
    kept = store.fixed.get(("assignment", assignment_id))
    if kept is not None:
        return kept
    columns = (ASSIGNMENT.c.project_id, ASSIGNMENT.c.item_id, ASSIGNMENT.c.annotator_id)
    with store.reading() as connection:
        row = connection.execute(select(*columns).where(ASSIGNMENT.c.id == assignment_id)).first()
    if row is None:
        raise Unknown(f"There is no assignment {assignment_id}.")
    remember(store, assignment_id, *row)
    return Owner(*row)


def asking(store: Store, project_id: int) -> Asking:
    """The project's kind and question. Raises Unknown."""
    kept = store.fixed.get(("project", project_id))
    if kept is None:
        project = projects.by_id(store, project_id)
        one = kind(project.kind)
        kept = Asking(project, one, one.question.model_validate(dict(project.question)))
        store.fixed["project", project_id] = kept
    return kept
