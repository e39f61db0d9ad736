"""Where labelers are: their projects, and the labelling screen."""

import json
import time
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from preftune.feedback.kinds import KINDS
from preftune.feedback.store import guidelines, progress, projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Project
from preftune.web.payloads import question_of
from preftune.web.views import page, path_of
from preftune.web.who import Labeler, Person, Somebody, TheStore

router = APIRouter()

DAY = 24 * 3600.0
Mode = Literal["work", "training", "review"]


@router.get("/")
def home(request: Request, store: TheStore, person: Somebody) -> Response:
    """Every project, with what this person can do in it."""
    since = time.time() - DAY
    found = projects.all(store)
    shown = [
        {
            "project": one,
            "mine": progress.done_by(store, one.id, person.id),
            "today": progress.done_by(store, one.id, person.id, since=since),
            "progress": progress.summary(store, one.id) if person.may("watch") else None,
        }
        for one in found
    ]
    names = {one.name for one in found}
    return page(request, "home.html", person, shown=shown, names=names, kinds=KINDS)


@router.get("/p/{name}/label")
def label(request: Request, name: str, store: TheStore, person: Labeler) -> Response:
    return screen(request, store, person, projects.named(store, name), "work")


@router.get("/p/{name}/training")
def training(request: Request, name: str, store: TheStore, person: Labeler) -> Response:
    return screen(request, store, person, projects.named(store, name), "training")


def screen(
    request: Request,
    store: Store,
    person: Person,
    project: Project,
    mode: Mode,
    item_number: int = 0,
) -> Response:
    """The labelling screen; in ``review`` it shows one disputed item to a lead."""
    seen = guidelines.seen(store, project.id, person.id)
    question = question_of(project)
    root = request.scope.get("root_path", "").rstrip("/")
    values: dict[str, Any] = {
        "project": project,
        "mode": mode,
        "question": question,
        "question_json": json.dumps(question.model_dump(mode="json")),
        "guideline": guidelines.current(store, project.id),
        "newer": guidelines.changes(store, project.id, seen) if seen else [],
        "seen": seen,
        "done_today": progress.done_by(store, project.id, person.id, since=time.time() - DAY),
        "item_number": item_number,
        "back": f"{root}{path_of(project)}/disputed" if mode == "review" else f"{root}/",
    }
    return page(request, "label.html", person, **values)
