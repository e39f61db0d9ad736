"""The guidelines of a project: read them, see what changed, publish a new version."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from preftune.feedback.store import guidelines, projects
from preftune.web.views import page, path_of, to
from preftune.web.who import Manager, Somebody, TheStore, TokenChecked

router = APIRouter()


@router.get("/p/{name}/guidelines")
def read(request: Request, name: str, store: TheStore, person: Somebody) -> Response:
    project = projects.named(store, name)
    seen = guidelines.seen(store, project.id, person.id)
    versions = guidelines.versions(store, project.id)
    if person.may("label"):
        guidelines.mark_seen(store, project.id, person.id, versions[-1].version)
    return page(
        request,
        "guidelines.html",
        person,
        project=project,
        tab="guidelines",
        versions=versions,
        seen=seen,
    )


@router.post("/p/{name}/guidelines", dependencies=[TokenChecked])
def publish(
    request: Request,
    name: str,
    store: TheStore,
    person: Manager,
    text: Annotated[str, Form(max_length=200_000)] = "",
    changes: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Judgments made from now on name this version."""
    project = projects.named(store, name)
    plain = text.replace("\r\n", "\n").strip()
    guidelines.publish(store, project.id, plain, actor=person.actor, changes=changes.strip())
    return to(request, f"{path_of(project)}/guidelines")
