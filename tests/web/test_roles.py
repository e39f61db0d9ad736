"""Every route against every role: who gets in, who is sent away, and no route is forgotten."""

import pytest
from fastapi.routing import APIRoute

from preftune.feedback.store import people, sessions
from tests.web.site import Site

ALL = {"admin", "lead", "annotator", "viewer"}
LABEL = {"admin", "lead", "annotator"}
WATCH = {"admin", "lead", "viewer"}
MANAGE = {"admin", "lead"}
ADMIN = {"admin"}
OPEN = ALL | {"nobody"}

MATRIX = {
    "GET /healthz": OPEN,
    "POST /api/csp-reports": OPEN,
    "GET /login": OPEN,
    "POST /login": OPEN,
    "GET /join/{secret}": OPEN,
    "POST /join/{secret}": OPEN,
    "POST /logout": ALL,
    "GET /": ALL,
    "GET /account": ALL,
    "POST /account/sessions/{handle}/end": ALL,
    "POST /account/password": ALL,
    "POST /account/tokens": ALL,
    "POST /account/tokens/{prefix}/end": ALL,
    "GET /p/{name}/guidelines": ALL,
    "POST /p/{name}/guidelines": MANAGE,
    "GET /p/{name}/label": LABEL,
    "GET /p/{name}/training": LABEL,
    "GET /p/{name}/mine": LABEL,
    "GET /p/{name}": WATCH,
    "GET /p/{name}/agreement": WATCH,
    "GET /p/{name}/labelers": MANAGE,
    "GET /p/{name}/disputed": MANAGE,
    "GET /p/{name}/disputed/{item}": MANAGE,
    "GET /p/{name}/questions": MANAGE,
    "POST /p/{name}/questions": MANAGE,
    "GET /p/{name}/items": MANAGE,
    "POST /p/{name}/items": MANAGE,
    "POST /p/{name}/state": MANAGE,
    "POST /p/{name}/overlap": MANAGE,
    "GET /p/{name}/export": MANAGE,
    "POST /example": MANAGE,
    "GET /new": MANAGE,
    "POST /new": MANAGE,
    "GET /people": MANAGE,
    "POST /people/invites": MANAGE,
    "POST /people/{number}/change": ADMIN,
    "POST /people/{number}/password": ADMIN,
    "POST /people/{number}/remove": ADMIN,
    "GET /api/me": ALL,
    "GET /api/projects": ALL,
    "GET /api/projects/{project}": ALL,
    "GET /api/projects/{project}/guidelines": ALL,
    "POST /api/projects/{project}/guidelines/{version}/seen": LABEL,
    "POST /api/projects/{project}/next": LABEL,
    "GET /api/assignments/{assignment}": LABEL,
    "POST /api/assignments/{assignment}/heartbeat": LABEL,
    "POST /api/assignments/{assignment}/release": LABEL,
    "POST /api/assignments/{assignment}/skip": LABEL,
    "POST /api/assignments/{assignment}/draft": LABEL,
    "GET /api/assignments/{assignment}/questions": LABEL,
    "POST /api/assignments/{assignment}/questions": LABEL,
    "POST /api/assignments/{assignment}/say": LABEL,
    "POST /api/judgments": LABEL,
    "GET /api/judgments/{judgment}": LABEL,
    "POST /api/judgments/{judgment}/revise": LABEL,
    "GET /api/me/judgments": LABEL,
    "POST /api/preview": LABEL,
    "GET /api/review/{item}": MANAGE,
    "POST /api/review/{item}/blind": MANAGE,
    "POST /api/review/{item}/decision": MANAGE,
}
PARTS = {
    "{name}": "comparison", "{project}": "comparison", "{item}": "1", "{number}": "999",
    "{assignment}": "999", "{judgment}": "none", "{secret}": "none", "{handle}": "none",
    "{prefix}": "none", "{version}": "1",
}  # fmt: skip
UUID = "00000000-0000-4000-8000-000000000000"
BODIES = {
    "/next": {}, "/skip": {"lease_token": "t", "reason": "r"}, "/heartbeat": {"lease_token": "t"},
    "/release": {"lease_token": "t"}, "/draft": {"lease_token": "t", "draft": {}},
    "/api/judgments": {
        "submission_id": UUID, "assignment_id": 999, "lease_token": "t", "answer": {},
    },
    "/revise": {"submission_id": UUID, "answer": {}}, "/api/preview": {"text": "x"},
    "/questions": {"text": "x"},
    "/blind": {"answer": {}}, "/decision": {"answer": {}},
}  # fmt: skip


def test_every_route_is_in_the_matrix(site: Site) -> None:
    routes = {
        f"{method} {route.path}"
        for route in all_routes(site)
        for method in route.methods - {"HEAD"}
    }
    assert routes == set(MATRIX)


def all_routes(site: Site) -> list[APIRoute]:
    """Also those of included routers, whichever way this FastAPI keeps them."""
    found, waiting = [], list(site.app.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(route, APIRoute):
            found.append(route)
        else:
            inner = getattr(route, "original_router", None)
            waiting += list(getattr(inner, "routes", []))
    return found


@pytest.mark.parametrize("who", ["nobody", *sorted(ALL)])
def test_a_role_gets_where_it_may_and_nowhere_else(site: Site, who: str) -> None:
    wrong = []
    for route, allowed in MATRIX.items():
        method, path = route.split()
        for part, value in PARTS.items():
            path = path.replace(part, value)
        client = site.client("" if who == "nobody" else who)
        token = "" if who == "nobody" else site.csrf(who)
        if path.startswith("/api/"):
            ending = next((end for end in BODIES if path.endswith(end)), "")
            answer = client.request(
                method, path, params={"project": "comparison"},
                json=BODIES.get(ending) if method == "POST" and ending else None,
            )  # fmt: skip
        elif method == "POST":
            answer = client.post(path, data={"csrf": token, "role": "annotator"})
        else:
            answer = client.get(path)
        if answer.status_code >= 500:
            wrong.append((route, who, answer.status_code))
        if turned_away(answer, who) != (who not in allowed):
            wrong.append((route, who, answer.status_code, answer.text[:200]))
        if route in ("POST /logout", "POST /account/password") and who in allowed:
            site.secrets[who] = sessions.start(site.store, me(site, who), agent="again")
    assert wrong == []


def me(site: Site, who: str) -> int:
    return people.named(site.store, who).id


def turned_away(answer: object, who: str) -> bool:
    """Refused for who they are, not for what they sent."""
    status = answer.status_code  # type: ignore[attr-defined]
    if status == 401:
        return True
    if status == 303 and answer.headers["location"].endswith("/login"):  # type: ignore[attr-defined]
        return who == "nobody"
    return status == 403 and "Your role does not allow this" in answer.text  # type: ignore[attr-defined]
