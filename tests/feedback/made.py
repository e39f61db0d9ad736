"""Projects, items and people to test the store with."""

import uuid
from collections.abc import Mapping
from typing import Any

from preftune.feedback.store import items, judgments, leases, people, projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import (
    Annotator,
    Assignment,
    NewAnnotator,
    NewItem,
    Project,
    ProjectSettings,
    Receipt,
    Response,
    Submission,
)

A = {"choice": "a", "strength": 2}
B = {"choice": "b", "strength": 1}


def project(store: Store, name: str = "replies", count: int = 3, **settings: Any) -> Project:
    """A comparison project with ``count`` items, named item-0 and so on."""
    made = projects.create(
        store, ProjectSettings(name, **{"kind": "comparison", **settings}), actor="test"
    )
    pairs = [pair(f"item-{number}") for number in range(count)]
    if pairs:
        items.add(store, made.id, pairs, actor="test")
    return made


def pair(name: str, **more: Any) -> NewItem:
    responses = (Response(f"first of {name}", "model-x"), Response(f"second of {name}", "model-y"))
    return NewItem(name, f"Prompt of {name}?", responses, **more)


def person(store: Store, name: str = "ada", **more: Any) -> Annotator:
    return people.add(store, NewAnnotator(name, **more), actor="test")


def take(store: Store, on: Project, who: Annotator, **more: Any) -> Assignment:
    """An assignment; fails when there is none."""
    given = leases.take(store, project_id=on.id, annotator_id=who.id, **more)
    assert isinstance(given, Assignment), given
    return given


def submission(given: Assignment, answer: Mapping[str, Any] = A, **more: Any) -> Submission:
    return Submission(str(uuid.uuid4()), given.id, given.lease_token, answer, **more)


def answer(store: Store, given: Assignment, said: Mapping[str, Any] = A, **more: Any) -> Receipt:
    """Submits an answer in the assignment's own lease."""
    return judgments.submit(store, submission(given, said), **more)
