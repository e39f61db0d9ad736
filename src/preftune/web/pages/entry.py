"""Coming in: the login, an invite's link, and going out."""

import time
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from preftune.feedback.store import people, sessions
from preftune.feedback.store.engine import Store
from preftune.records import BadInput
from preftune.web.settings import WebSettings
from preftune.web.views import page, to
from preftune.web.who import COOKIE, Somebody, TheStore, TokenChecked

router = APIRouter()

Name = Annotated[str, Form(max_length=80)]
Password = Annotated[str, Form(max_length=1000)]
Secret = Annotated[str, Path(max_length=200)]

WRONG = "This name and password do not go together."
TOO_MANY = "Too many attempts. Wait five minutes and try again."
NO_INVITE = "This link does not work: it was used already, is too old, or is not complete."


@router.get("/login")
def login_page(request: Request) -> Response:
    return page(request, "login.html", None, fault="", name="")


@router.post("/login")
def log_in(request: Request, store: TheStore, name: Name = "", password: Password = "") -> Response:
    """Wrong names and wrong passwords get the same answer after the same time."""
    if not _may_try(request, store, name):
        return page(request, "login.html", None, status=429, fault=TOO_MANY, name=name)
    person = people.log_in(store, name, password)
    if person is None:
        return page(request, "login.html", None, status=403, fault=WRONG, name=name)
    return _logged_in(request, store, person.id)


@router.get("/join/{secret}")
def join_page(request: Request, secret: Secret, store: TheStore) -> Response:
    if not _may_try(request, store, ""):
        return page(request, "refused.html", None, status=429, sentence=TOO_MANY, remedy="")
    return _join(request, store, secret)


@router.post("/join/{secret}")
def join(
    request: Request, secret: Secret, store: TheStore, name: Name = "", password: Password = ""
) -> Response:
    """Makes the account, once, and logs the person in."""
    if not _may_try(request, store, ""):
        return page(request, "refused.html", None, status=429, sentence=TOO_MANY, remedy="")
    try:
        person = sessions.accept_invite(store, secret, name=name.strip(), password=password)
    except BadInput as refused:
        return _join(request, store, secret, f"{refused.sentence} {refused.remedy}".strip(), name)
    return _logged_in(request, store, person.id)


@router.post("/logout", dependencies=[TokenChecked])
def log_out(request: Request, store: TheStore, person: Somebody) -> Response:
    sessions.end(store, request.cookies.get(COOKIE, ""))
    gone = to(request, "/login")
    gone.delete_cookie(COOKIE, path=_cookie_path(request))
    return gone


def _join(request: Request, store: Store, secret: str, fault: str = "", name: str = "") -> Response:
    invite = sessions.look_up_invite(store, secret)
    if invite is None or invite.used or invite.expires_at < time.time():
        remedy = "Ask whoever sent it for a new one."
        return page(request, "refused.html", None, status=404, sentence=NO_INVITE, remedy=remedy)
    known = people.by_id(store, invite.annotator_id).name if invite.annotator_id else ""
    return page(
        request,
        "join.html",
        None,
        status=422 if fault else 200,
        fault=fault,
        invite=invite,
        name=name or known,
        known=known,
    )


def _logged_in(request: Request, store: Store, annotator_id: int) -> RedirectResponse:
    """A new session always: an id planted in the browser before is worth nothing."""
    old = request.cookies.get(COOKIE, "")
    if old:
        sessions.end(store, old)
    agent = request.headers.get("user-agent", "")[:200]
    secret = sessions.start(store, annotator_id, agent=agent)
    settings: WebSettings = request.app.state.settings
    answer = to(request, "/")
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=int(sessions.ABSOLUTE_SECONDS),
        path=_cookie_path(request),
        secure=settings.secure_cookies or request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return answer


def _cookie_path(request: Request) -> str:
    return request.scope.get("root_path", "").rstrip("/") or "/"


def _may_try(request: Request, store: Store, name: str) -> bool:
    """Counts the attempt, for the address and for the name."""
    settings: WebSettings = request.app.state.settings
    address = request.client.host if request.client else "unknown"
    window = settings.login_window_seconds
    fine = sessions.allow(
        store, f"login:from:{address}", limit=settings.logins_per_address, window_seconds=window
    )
    if name and fine:
        named = f"login:as:{name.strip().casefold()}"
        fine = sessions.allow(
            store, named, limit=settings.logins_per_account, window_seconds=window
        )
    return fine
