"""The routes that are asked again and again, without what FastAPI does for every possible route.

FastAPI solves a route's parameters anew on each request, which takes as long as leasing an item.
A ``LeanRoute`` has parts of the path, one JSON body and dependencies that need the request alone;
they are put together here. Whatever does not fit is left to FastAPI, which says what is wrong. The
description of the API, the middleware and the refusals are those of any other route.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Given = dict[str, Any]


class _DoesNotFit(Exception):
    """For FastAPI to say why."""


class LeanRoute(APIRoute):
    """A route of parts of the path, one JSON body, the request and asynchronous dependencies."""

    def get_route_handler(self) -> Handler:
        usual, dependant = super().get_route_handler(), self.dependant
        _check(dependant)
        endpoint: Any = dependant.call

        async def handle(request: Request) -> Response:
            try:
                given = _path(dependant, request) | await self._body(request)
            except _DoesNotFit:
                return await usual(request)
            answer: Response = await endpoint(**given, **await _solved(dependant, request))
            return answer

        return handle

    async def _body(self, request: Request) -> Given:
        sort = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        (wanted,), field = self.dependant.body_params, self.body_field
        if sort != "application/json" or field is None:
            raise _DoesNotFit
        try:
            body = await request.json()
        except Exception:  # not JSON, too long, gone
            raise _DoesNotFit from None
        value, errors = field.validate(body, {}, loc=("body",))
        if errors:
            raise _DoesNotFit
        return {wanted.name: value}


def _check(dependant: Dependant) -> None:
    """Raises TypeError for a route with something that would be passed over."""
    others = (dependant.query_params, dependant.header_params, dependant.cookie_params)
    if any(others) or len(dependant.body_params) != 1:
        raise TypeError(f"{dependant.call} is no lean route")


def _path(dependant: Dependant, request: Request) -> Given:
    given = {}
    for field in dependant.path_params:
        value, errors = field.validate(request.path_params[field.name], {}, loc=("path",))
        if errors:
            raise _DoesNotFit
        given[field.name] = value
    return given


async def _solved(dependant: Dependant, request: Request) -> Given:
    """The request and the dependencies by name; theirs first, as deep as they go."""
    given: Given = {}
    if dependant.request_param_name is not None:
        given[dependant.request_param_name] = request
    for one in dependant.dependencies:
        call: Callable[..., Awaitable[Any]] | Any = one.call
        given[str(one.name)] = await call(**await _solved(one, request))
    return given
