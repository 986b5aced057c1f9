"""The OpenAPI 3.1 description of the API, made from the table by which requests are routed and checked."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sopilot_assets.desk.api.endpoint import BASE, PROBLEM, Endpoint, tagged
from sopilot_assets.desk.api.models import Problem

VERSION: Final = "1.0.0"
"""Of the API, not of the package: its first number is in every path."""
_REF: Final = "#/components/schemas/{model}"
_ABOUT: Final = (
    "Reads tasks, recordings and results of one installation. Every request needs a token "
    "(`sopilot desk token add`) in the header Authorization. Parameters that are not listed are refused. "
    "Times are in UTC. Answers have an ETag: with If-None-Match an unchanged one is answered 304."
)
_REFUSALS: Final = {
    400: "A parameter is unknown, was given twice, or cannot be taken.",
    401: "There is no token, or it is unknown, removed or expired.",
    403: "The token may not read this.",
    404: "There is no such thing, or it does not count any more.",
    429: "Too many wrong tokens from this address.",
    503: "Something in the installation is damaged; `sopilot home doctor` names it.",
}


def description(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The description of these endpoints, as JSON values."""
    given: list[type[BaseModel]] = [*(one.gives for one in endpoints), Problem]
    _, schemas = models_json_schema([(model, "serialization") for model in given], ref_template=_REF)
    asked = [one.query.model_json_schema(ref_template=_REF).get("$defs", {}) for one in endpoints]
    defined = {name: schema for some in asked for name, schema in some.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "SOPilot", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": BASE}],
        "security": [{"token": []}],
        "paths": {one.path: {"get": _operation(one)} for one in endpoints},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**defined, **schemas["$defs"]},
            "responses": {str(status): _refusal(text) for status, text in _REFUSALS.items()},
            "headers": {"ETag": {"schema": {"type": "string"}, "required": True}},
        },
    }


def description_route(endpoints: Sequence[Endpoint]) -> Route:
    """The address of the description, which says nothing of the installation and needs no token."""
    text = functools.cache(lambda: json.dumps(description(endpoints), ensure_ascii=False))

    def answer(request: Request) -> Response:
        return tagged(request, text())

    return Route(f"{BASE}/openapi.json", answer, methods=["GET"], name="openapi")


def parameters_of(model: type[BaseModel], place: str) -> Iterator[dict[str, Any]]:
    """What the description says of each field of a model that stands in ``place``: path or query."""
    schema = model.model_json_schema(ref_template=_REF)
    required = schema.get("required", [])
    for name, its in schema["properties"].items():
        said = {key: value for key, value in its.items() if key not in ("title", "description")}
        if said.get("default", 0) is None:  # left out and null are the same, and null cannot be said
            said = _without_null({key: value for key, value in said.items() if key != "default"})
        yield {
            "name": name,
            "in": place,
            "required": name in required,
            "description": its.get("description", ""),
            "schema": said,
        }


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    others = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**others, **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds})}


def _operation(one: Endpoint) -> dict[str, Any]:
    parameters = [*parameters_of(one.within, "path"), *parameters_of(one.query, "query")]
    statuses = [status for status in _REFUSALS if status != 404 or one.within.model_fields]
    unchanged = {"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}
    return {
        "operationId": one.name,
        "summary": one.title.en,
        "description": f"{one.about.en} Needs the scope {one.scope.value}.",
        "parameters": [*parameters, unchanged],
        "responses": {
            "200": {
                "description": (one.gives.__doc__ or "").strip(),
                "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
                "content": {"application/json": {"schema": {"$ref": _REF.format(model=one.gives.__name__)}}},
            },
            "304": {"description": "It is as it was when it had the tag in If-None-Match."},
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses},
        },
    }


def _refusal(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {PROBLEM: {"schema": {"$ref": _REF.format(model=Problem.__name__)}}},
    }
