"""Who is here: invites, roles, groups; and ending an account."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from preftune.feedback.store import people, sessions
from preftune.feedback.store.nouns import ROLES, Role
from preftune.web.settings import WebSettings
from preftune.web.views import page, to
from preftune.web.who import Admin, Manager, NotAllowed, Person, TheStore, TokenChecked

router = APIRouter()

Group = Annotated[str, Form(max_length=80)]


@router.get("/people")
def everyone(request: Request, store: TheStore, person: Manager) -> Response:
    return _everyone(request, store, person)


def _everyone(
    request: Request, store: TheStore, person: Person, link: str = "", for_whom: str = ""
) -> Response:
    roles = ROLES if person.may("administer") else ("annotator", "viewer")
    return page(
        request,
        "people.html",
        person,
        people=people.all(store),
        roles=roles,
        link=link,
        for_whom=for_whom,
    )


@router.post("/people/invites", dependencies=[TokenChecked])
def invite(
    request: Request,
    store: TheStore,
    person: Manager,
    role: Annotated[Role, Form()] = "annotator",
    group: Group = "",
) -> Response:
    """The link is shown on this page, once. A lead invites annotators and viewers only."""
    if role in ("admin", "lead") and not person.may("administer"):
        raise NotAllowed("Only an admin can invite leads and admins.")
    secret = sessions.invite(store, role=role, actor=person.actor, group=group.strip())
    return _everyone(request, store, person, _link(request, secret), f"a new {role}")


@router.post("/people/{number}/change", dependencies=[TokenChecked])
def change(
    request: Request,
    number: int,
    store: TheStore,
    person: Admin,
    role: Annotated[Role, Form()],
    group: Group = "",
) -> Response:
    people.change(store, number, actor=person.actor, role=role, group=group.strip())
    return to(request, "/people")


@router.post("/people/{number}/password", dependencies=[TokenChecked])
def new_password(request: Request, number: int, store: TheStore, person: Admin) -> Response:
    """A link with which this person sets a new password."""
    known = people.by_id(store, number)
    secret = sessions.invite(
        store, role=known.role, actor=person.actor, group=known.group, annotator_id=known.id
    )
    return _everyone(request, store, person, _link(request, secret), known.name)


@router.post("/people/{number}/remove", dependencies=[TokenChecked])
def remove(request: Request, number: int, store: TheStore, person: Admin) -> Response:
    people.remove(store, number, actor=person.actor)
    return to(request, "/people")


def _link(request: Request, secret: str) -> str:
    settings: WebSettings = request.app.state.settings
    public = settings.public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"
    root = request.scope.get("root_path", "").rstrip("/")
    return f"{public}{root}/join/{secret}"
