"""A lean route takes and refuses what FastAPI's own would."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from preftune.web import api
from preftune.web.errors import add_handlers
from preftune.web.lean import LeanRoute
from preftune.web.shapes import SubmitRequest
from preftune.web.who import NotLoggedIn

GOOD = {
    "submission_id": "6F1C1F7E-3b1c-4d1f-9a54-5b8f3a8c1a11",
    "assignment_id": 3,
    "lease_token": "1.abc",
    "answer": {"choice": "a", "deep": [1, 2.5, None]},
}
JSON = {"content-type": "application/json"}
BODIES: list[tuple[Any, dict[str, str]]] = [
    (b'{"submission_id": ', JSON),
    (b"", JSON),
    (b"", {}),
    (b"null", JSON),
    (b"[]", JSON),
    (b'"\xff"', JSON),
    (b"x=1", {"content-type": "application/x-www-form-urlencoded"}),
    (b"{}", {"content-type": "text/plain"}),
    (GOOD | {"assignment_id": 0}, JSON),
    (GOOD | {"assignment_id": "many"}, JSON),
    (GOOD | {"submission_id": "no"}, JSON),
    (GOOD | {"extra": 1}, JSON),
    ({name: GOOD[name] for name in ("submission_id", "answer")}, JSON),
]


async def inner(request: Request) -> str:
    name = request.headers.get("x-name")
    if name is None:
        raise NotLoggedIn
    return name


async def outer(name: Annotated[str, Depends(inner)]) -> str:
    return name.upper()


def client(sort: type[APIRoute]) -> TestClient:
    router = APIRouter(prefix="/api", route_class=sort)

    @router.post("/things/{thing}")
    async def endpoint(
        request: Request,
        thing: Annotated[str, Path(max_length=5)],
        asked: SubmitRequest,
        name: Annotated[str, Depends(outer)],
    ) -> JSONResponse:
        told = asked.model_dump(mode="json")
        return JSONResponse({"asked": told, "thing": thing, "name": name, "at": request.url.path})

    app = FastAPI()
    add_handlers(app)
    app.include_router(router)
    return TestClient(app)


def send(sort: type[APIRoute], body: Any, headers: dict[str, str], thing: str = "a%20b") -> Any:
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = client(sort).post(f"/api/things/{thing}", **content, headers={"x-name": "n"} | headers)
    return answer.status_code, answer.json()


def test_what_fits_comes_through_whole() -> None:
    status, told = send(LeanRoute, GOOD, {"content-type": "Application/JSON; charset=utf-8"})
    assert (status, told["thing"], told["name"], told["at"]) == (200, "a b", "N", "/api/things/a b")
    assert told["asked"]["submission_id"] == GOOD["submission_id"].lower()  # type: ignore[attr-defined]
    assert told["asked"]["answer"] == GOOD["answer"]
    assert (status, told) == send(APIRoute, GOOD, JSON)


@pytest.mark.parametrize("place", range(len(BODIES)))
def test_what_does_not_fit_is_refused_in_the_same_words(place: int) -> None:
    body, headers = BODIES[place]
    refused = send(LeanRoute, body, headers)
    assert refused[0] in (400, 422) and refused == send(APIRoute, body, headers)


def test_a_part_of_the_path_that_does_not_fit_is_refused_in_the_same_words() -> None:
    refused = send(LeanRoute, GOOD, JSON, "longer-than-five")
    assert refused[0] == 422 and refused == send(APIRoute, GOOD, JSON, "longer-than-five")


def test_a_dependency_refuses_as_ever() -> None:
    answer = client(LeanRoute).post("/api/things/a", json=GOOD)
    assert (answer.status_code, answer.json()["error"]["what"]) == (401, "not_logged_in")


def test_a_route_with_more_is_no_lean_route() -> None:
    router = APIRouter(route_class=LeanRoute)

    async def endpoint(asked: SubmitRequest, limit: Annotated[int, Query()] = 1) -> None: ...

    with pytest.raises(TypeError, match="no lean route"):
        router.add_api_route("/", endpoint, methods=["POST"])


def test_the_busy_routes_are_lean() -> None:
    lean = {route.path for route in api.busy.routes if isinstance(route, LeanRoute)}
    assert lean == {"/api/projects/{project}/next", "/api/judgments"}
