"""A person's own pages: sessions and tokens, and how their answers compare."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from preftune.feedback.store import people, projects, questions, sessions
from preftune.feedback.store.faults import Forbidden
from preftune.web.quality import own_view
from preftune.web.views import page, to
from preftune.web.who import Labeler, Person, Somebody, TheStore, TokenChecked

router = APIRouter()


@router.get("/account")
def account(request: Request, store: TheStore, person: Somebody) -> Response:
    return _account(request, store, person)


def _account(request: Request, store: TheStore, person: Person, token: str = "") -> Response:
    return page(
        request,
        "account.html",
        person,
        sessions=sessions.of_person(store, person.id),
        tokens=sessions.tokens_of(store, person.id),
        new_token=token,
    )


@router.post("/account/sessions/{handle}/end", dependencies=[TokenChecked])
def end_session(request: Request, handle: str, store: TheStore, person: Somebody) -> Response:
    sessions.revoke(store, person.id, handle)
    return to(request, "/account")


@router.post("/account/password", dependencies=[TokenChecked])
def new_password(
    request: Request,
    store: TheStore,
    person: Somebody,
    old: Annotated[str, Form(max_length=1000)] = "",
    new: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Ends every session of the person, this one too: they log in with the new password."""
    if people.log_in(store, person.annotator.name, old) is None:
        raise Forbidden("The old password is not right.", remedy="Go back and try again.")
    people.set_password(store, person.id, new, actor=person.actor)
    return to(request, "/login")


@router.post("/account/tokens", dependencies=[TokenChecked])
def new_token(
    request: Request,
    store: TheStore,
    person: Somebody,
    scope: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """The token is shown on this page, once."""
    chosen = tuple(one for one in ("label", "read", "manage") if one in (scope or []))
    if not chosen:
        raise Forbidden("A token needs at least one scope.", remedy="Go back and choose one.")
    token = sessions.issue_token(store, person.id, scopes=chosen, actor=person.actor)
    return _account(request, store, person, token)


@router.post("/account/tokens/{prefix}/end", dependencies=[TokenChecked])
def end_token(request: Request, prefix: str, store: TheStore, person: Somebody) -> Response:
    if prefix in {one.prefix for one in sessions.tokens_of(store, person.id)}:
        sessions.revoke_token(store, prefix, actor=person.actor)
    return to(request, "/account")


@router.get("/p/{name}/mine")
def mine(request: Request, name: str, store: TheStore, person: Labeler) -> Response:
    """Own agreement with others, and own results on known items, after a delay."""
    project = projects.named(store, name)
    return page(
        request,
        "mine.html",
        person,
        project=project,
        tab="mine",
        own=own_view(store, project, person.id),
        threads=questions.threads(store, project.id, asker_id=person.id),
    )
