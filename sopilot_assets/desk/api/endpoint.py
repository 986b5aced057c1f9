"""One endpoint of the API: what it takes, what it answers, and how a request becomes an answer.

A request holds its token in the header ``Authorization`` and nowhere else. Cookies are not looked at: without
a session there is nothing that another site could make a browser do. What is answered wears a tag, by which
an unchanged answer is not sent again (RFC 9110, 13.1.2); what is refused says why (RFC 9457).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sopilot_assets.desk.api.asking import EXPECTED, NoPath, NoQuery, Query
from sopilot_assets.desk.api.models import ParameterFault, Problem
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.guards import address_of
from sopilot_assets.desk.log import Doer
from sopilot_assets.desk.tokens import ApiToken, Scope, present_token
from sopilot_assets.errors import SopilotError
from sopilot_assets.store.home import Home
from sopilot_assets.texts.languages import Text

BASE: Final = "/api/v1"
PROBLEM: Final = "application/problem+json"
_PRIVATE: Final = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="sopilot"'}


class RefusedRequest(Exception):
    """There is no answer, for this reason; ``headers`` go with it."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Collection[ParameterFault] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, list(errors)
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with a token that holds: ``path`` and ``query`` are instances of the endpoint's models."""

    home: Home
    now: datetime
    token: ApiToken
    path: BaseModel
    query: BaseModel

    @property
    def shows_persons(self) -> bool:
        """Whether the token may read who was filmed."""
        return Scope.PERSONS in self.token.scopes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of the table by which requests are routed and checked, and of which the description is made.

    ``path`` is below `BASE`; ``scope`` is what the token has to hold. ``answer`` gives an instance of
    ``gives``, or None where there is no such thing.
    """

    path: str
    title: Text
    about: Text
    scope: Scope
    gives: type[BaseModel]
    answer: Callable[[Asked], BaseModel | None]
    query: type[Query] = NoQuery
    within: type[BaseModel] = NoPath

    @property
    def name(self) -> str:
        """The name of the function that answers, which the description calls it by."""
        return self.answer.__name__

    def route(self, config: DeskConfig, clock: Callable[[], datetime]) -> Route:
        """The route of the app."""

        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(self._answered, request, config, clock())

        return Route(BASE + self.path, endpoint, methods=["GET"], name=self.name)

    def _answered(self, request: Request, config: DeskConfig, now: datetime) -> Response:
        try:
            found = self._found(request, config, now)
        except RefusedRequest as refused:
            return problem_response(
                refused.status, refused.detail, errors=refused.errors, headers=refused.headers
            )
        except SopilotError as error:
            return problem_response(503, config.home.relative_text(str(error)))
        return tagged(request, json.dumps(found.model_dump(mode="json"), ensure_ascii=False))

    def _found(self, request: Request, config: DeskConfig, now: datetime) -> BaseModel:
        token = _token_of(request, config, now)
        if self.scope not in token.scopes:
            raise RefusedRequest(403, f"The token {token.name} lacks the scope {self.scope.value}.")
        found = self.answer(Asked(config.home, now, token, self._path(request), self._query(request)))
        if found is None:
            raise RefusedRequest(404, "There is no such thing, or it does not count any more.")
        return found

    def _path(self, request: Request) -> BaseModel:
        try:
            return self.within.model_validate(request.path_params)
        except ValidationError:
            raise RefusedRequest(404, "There is no such thing, or it does not count any more.") from None

    def _query(self, request: Request) -> BaseModel:
        pairs = request.query_params.multi_items()
        given = Counter(name for name, _ in pairs)
        if len(given) < len(pairs):
            twice = sorted(name for name, count in given.items() if count > 1)
            faults = [
                ParameterFault(parameter=name, why="expected it once, found it again") for name in twice
            ]
            raise RefusedRequest(400, "A parameter was given more than once.", errors=faults)
        try:
            return self.query.model_validate(dict(pairs))
        except ValidationError as error:
            raise RefusedRequest(400, "A parameter cannot be taken.", errors=self._faults(error)) from None

    def _faults(self, error: ValidationError) -> list[ParameterFault]:
        known = ", ".join(self.query.model_fields) or "none at all"
        why: dict[str, list[str]] = {}
        for one in error.errors(include_url=False, include_input=False):
            name = str(one["loc"][0])
            match one["type"]:
                case "extra_forbidden":
                    told = f"expected one of {known}"
                case "string_pattern_mismatch" if name in EXPECTED:
                    told = f"expected {EXPECTED[name]}"
                case _:
                    told = one["msg"].removeprefix("Value error, ")
            why.setdefault(name, []).append(told)
        return [ParameterFault(parameter=name, why="; ".join(some)) for name, some in why.items()]


def tagged(request: Request, body: str) -> Response:
    """The answer with its tag, or that it is the one that who asks has already."""
    tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {**_PRIVATE, "ETag": tag}
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(None, 304, headers)
    return Response(body, 200, headers, media_type="application/json")


def problem_response(
    status: int,
    detail: str,
    *,
    errors: Collection[ParameterFault] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """The answer that says why there is none."""
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=list(errors),
    )
    return Response(problem.model_dump_json(), status, {**_PRIVATE, **(headers or {})}, media_type=PROBLEM)


async def unrouted(_: Request, error: Exception) -> Response:
    """What answers below `BASE` where no endpoint does."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = {404: "There is no such endpoint.", 405: "Results are only read here: GET."}
    headers = dict(getattr(error, "headers", None) or {})
    return problem_response(status, detail.get(status, "That was not possible."), headers=headers)


def _token_of(request: Request, config: DeskConfig, now: datetime) -> ApiToken:
    """The token in the one header for it; raises `RefusedRequest` where there is none that holds."""
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise RefusedRequest(
            401, "Expected the header Authorization: Bearer TOKEN.", headers=dict(_CHALLENGE)
        )
    found = present_token(config.home, token.strip(), at=Doer("", address_of(request.scope, config), now))
    if found.wait_s:
        raise RefusedRequest(429, "Too many wrong tokens; wait.", headers={"Retry-After": str(found.wait_s)})
    if found.token is None:
        challenge = {"WWW-Authenticate": f'{_CHALLENGE["WWW-Authenticate"]}, error="invalid_token"'}
        raise RefusedRequest(401, "The token is unknown, removed or expired.", headers=challenge)
    return found.token
