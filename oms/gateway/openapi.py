"""The description of the door, made from the same table and the same Structs that serve it."""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import msgspec

from oms.gateway.bodies import DECIMAL_PATTERN, Amount
from oms.gateway.operations import Health
from oms.gateway.problems import Problem
from oms.gateway.routes import ROUTES, Route

_REF: Final = "#/components/schemas/{name}"
_Json = dict[str, Any]


def document() -> bytes:
    """Return the OpenAPI 3.1 document as JSON."""
    kinds = {kind for route in ROUTES for kind in (route.shows, route.query, route.body) if kind is not None}
    kinds |= {Problem, Health}
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components(ordered, schema_hook=_decimal, ref_template=_REF)
    paths: dict[str, _Json] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, components)
    for path, summary in _OPEN.items():
        paths[path] = {
            "get": {"summary": summary, "responses": {"200": {"description": "see the summary"}}, "security": []}
        }
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "OMS", "version": _version(), "summary": "An event-sourced order management system"},
            "security": [{"bearer": []}],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "oms_<id>_<secret>"}
                },
            },
        }
    )


_OPEN: Final = {
    "/v1/stream": "WebSocket: events from any position on, and commands. The first message carries the token.",
    "/health/live": "The process answers.",
    "/health/ready": "Every promise, and which of them is broken (then 503).",
    "/metrics": "Figures for Prometheus.",
    "/openapi.json": "This document.",
}


def _operation(route: Route, components: Mapping[str, _Json]) -> _Json:
    operation: _Json = {
        "summary": route.summary,
        "description": f"Needs the scope `{route.scope}`.",
        "parameters": _parameters(route, components),
        "responses": {
            str(route.status): _answer("done", route.shows, "application/json"),
            "default": _answer("a problem", Problem, "application/problem+json"),
        },
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": {"application/json": {"schema": _ref(route.body)}},
        }
    return operation


def _parameters(route: Route, components: Mapping[str, _Json]) -> Sequence[_Json]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    in_query = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in components[route.query.__name__]["properties"].items()
    ]
    key = {"name": "Idempotency-Key", "in": "header", "required": True, "schema": {"type": "string", "maxLength": 64}}
    return [*in_path, *in_query, *([key] if route.keyed else [])]


def _answer(description: str, kind: type, media: str) -> _Json:
    return {
        "description": description,
        "headers": {"OMS-Position": {"description": "the log position reflected", "schema": {"type": "integer"}}},
        "content": {media: {"schema": _ref(kind)}},
    }


def _ref(kind: type) -> _Json:
    return {"$ref": _REF.format(name=kind.__name__)}


def _decimal(kind: type) -> _Json:
    assert kind is Amount
    return {"type": "string", "format": "decimal", "pattern": DECIMAL_PATTERN}


def _version() -> str:
    try:
        return version("oms")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0"
