"""Items people disagree about: the queue, and one of them on the labelling screen."""

from fastapi import APIRouter, Request, Response

from preftune.feedback.store import adjudication, items, projects
from preftune.web.pages.work import screen
from preftune.web.payloads import answer_said
from preftune.web.views import page
from preftune.web.who import Manager, TheStore

router = APIRouter()


@router.get("/p/{name}/disputed")
def disputed(request: Request, name: str, store: TheStore, person: Manager) -> Response:
    project = projects.named(store, name)
    decided = [one for one in adjudication.decisions(store, project.id) if one.stage == "final"][
        -50:
    ]
    rows = []
    for one in reversed(decided):
        item = items.by_number(store, one.item_number)
        order = range(len(item.responses))
        rows.append((one, item, answer_said(project, one.answer, order)))
    return page(
        request,
        "disputed.html",
        person,
        project=project,
        tab="disputed",
        queue=adjudication.queue(store, project.id, annotator_id=person.id),
        decided=rows,
    )


@router.get("/p/{name}/disputed/{item}")
def one_disputed(
    request: Request, name: str, item: int, store: TheStore, person: Manager
) -> Response:
    return screen(request, store, person, projects.named(store, name), "review", item)
