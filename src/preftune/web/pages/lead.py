"""What leads and viewers watch: progress, time and money, agreement, each labeler's quality."""

from fastapi import APIRouter, Request, Response

from preftune.feedback.store import gold, guidelines, progress, projects
from preftune.web.quality import agreement_view, quality_view
from preftune.web.views import page
from preftune.web.who import Manager, TheStore, Watcher

router = APIRouter()


@router.get("/p/{name}")
def overview(request: Request, name: str, store: TheStore, person: Watcher) -> Response:
    project = projects.named(store, name)
    return page(
        request,
        "progress.html",
        person,
        project=project,
        tab="progress",
        progress=progress.summary(store, project.id),
        guideline=guidelines.current(store, project.id),
    )


@router.get("/p/{name}/agreement")
def agreement(request: Request, name: str, store: TheStore, person: Watcher) -> Response:
    project = projects.named(store, name)
    view = agreement_view(store, project)
    return page(request, "agreement.html", person, project=project, tab="agreement", agreement=view)


@router.get("/p/{name}/labelers")
def labelers(request: Request, name: str, store: TheStore, person: Manager) -> Response:
    project = projects.named(store, name)
    return page(
        request,
        "labelers.html",
        person,
        project=project,
        tab="labelers",
        rows=quality_view(store, project, gold.results(store, project.id)),
    )
