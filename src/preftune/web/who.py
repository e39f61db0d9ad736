"""Who is asking, and what they may do."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Form, Request
from starlette.concurrency import run_in_threadpool

from preftune.feedback.store import sessions
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Refused
from preftune.feedback.store.nouns import Annotator, Role
from preftune.web.recent import Recent

COOKIE = "preftune_session"

Right = Literal["label", "watch", "manage", "administer"]
RIGHTS: dict[Role, frozenset[Right]] = {
    "admin": frozenset({"label", "watch", "manage", "administer"}),
    "lead": frozenset({"label", "watch", "manage"}),
    "annotator": frozenset({"label"}),
    "viewer": frozenset({"watch"}),
}
SCOPES: dict[Right, str] = {
    "label": "label",
    "watch": "read",
    "manage": "manage",
    "administer": "manage",
}
"""The scope a token needs for each right, besides its person's role."""


class NotLoggedIn(Exception):
    """Nobody: a page sends them to the login, the API answers 401."""


class NotAllowed(Exception):
    """Somebody, but not with this right."""

    def __init__(self, sentence: str = "Your role does not allow this.") -> None:
        super().__init__(sentence)
        self.sentence = sentence


class BadForm(Refused):
    """A form without its token: sent by somebody else's page, or left open too long."""

    what = "bad_form"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is asking. ``csrf`` is empty for a program with a token, which uses no forms."""

    annotator: Annotator
    rights: frozenset[Right]
    csrf: str
    handle: str
    """The session's, to tell it from the person's others."""

    @property
    def id(self) -> int:
        return self.annotator.id

    @property
    def actor(self) -> str:
        """As the audit log names them."""
        return self.annotator.name

    def may(self, right: Right) -> bool:
        return right in self.rights


async def the_store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


async def somebody(request: Request) -> Person:
    """The person of the session or token. Raises NotLoggedIn.

    A program's token is looked up once a second at most, so one that was ended may work for a
    second more. Sessions are looked up every time.
    """
    store: Store = request.app.state.store
    known: Recent[Person] = request.app.state.programs
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        token = given.strip()
        return known.get(token) or known.put(
            token, await run_in_threadpool(_of_token, store, token)
        )
    secret = request.cookies.get(COOKIE, "")
    session = await run_in_threadpool(sessions.find, store, secret) if secret else None
    if session is None:
        raise NotLoggedIn
    return Person(session.annotator, RIGHTS[session.annotator.role], session.csrf, session.handle)


def _of_token(store: Store, token: str) -> Person:
    found = sessions.find_token(store, token)
    if found is None or found.revoked or not found.annotator.active:
        raise NotLoggedIn
    role = RIGHTS[found.annotator.role]
    rights = frozenset(right for right in role if SCOPES[right] in found.scopes)
    return Person(found.annotator, rights, "", "")


def needs(right: Right) -> Callable[[Person], Awaitable[Person]]:
    """A dependency: the person, who has this right. Raises NotLoggedIn, NotAllowed."""

    async def checked(person: Annotated[Person, Depends(somebody)]) -> Person:
        if not person.may(right):
            raise NotAllowed
        return person

    return checked


async def form_token(
    request: Request,
    person: Annotated[Person, Depends(somebody)],
    csrf: Annotated[str, Form()] = "",
) -> None:
    """Raises BadForm unless the form carries the session's own token."""
    request.app.state.programs.clear()  # a form may end a token, an account or a role
    if not person.csrf or not hmac.compare_digest(csrf.encode(), person.csrf.encode()):
        raise BadForm(
            "This form has been open too long, or another page sent it.",
            remedy="Load the page again and send it from there.",
        )


TheStore = Annotated[Store, Depends(the_store)]
Somebody = Annotated[Person, Depends(somebody)]
Labeler = Annotated[Person, Depends(needs("label"))]
Watcher = Annotated[Person, Depends(needs("watch"))]
Manager = Annotated[Person, Depends(needs("manage"))]
Admin = Annotated[Person, Depends(needs("administer"))]
TokenChecked = Depends(form_token)
