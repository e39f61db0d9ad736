"""The questions labelers ask about items, and a form for the answers."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from preftune.feedback.store import items, projects, questions
from preftune.feedback.store.faults import Unknown
from preftune.web.payloads import turns_of
from preftune.web.views import page, path_of, to
from preftune.web.who import Manager, TheStore, TokenChecked

router = APIRouter()


@router.get("/p/{name}/questions")
def asked(request: Request, name: str, store: TheStore, person: Manager) -> Response:
    project = projects.named(store, name)
    found = questions.threads(store, project.id)
    shown = [(one, items.by_number(store, one.item_number)) for one in found]
    return page(
        request,
        "questions.html",
        person,
        project=project,
        tab="questions",
        threads=[(thread, item, turns_of(item.prompt)) for thread, item in shown],
    )


@router.post("/p/{name}/questions", dependencies=[TokenChecked])
def answer(
    request: Request,
    name: str,
    store: TheStore,
    person: Manager,
    item: Annotated[int, Form(ge=1, le=2**53)],
    asker: Annotated[int, Form(ge=1, le=2**53)],
    text: Annotated[str, Form(max_length=10_000)] = "",
) -> Response:
    """The labeler sees it beside the item, and under "My results"."""
    project = projects.named(store, name)
    if items.by_number(store, item).project_id != project.id:
        raise Unknown("There is no such question in this project.")
    plain = text.replace("\r\n", "\n")
    questions.say(store, item, asker_id=asker, author_id=person.id, text=plain)
    return to(request, f"{path_of(project)}/questions")
