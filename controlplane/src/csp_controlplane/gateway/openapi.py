"""The API's description: what FastAPI derives, completed for generating clients from it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from csp_controlplane.gateway.answers import error_table
from csp_controlplane.gateway.routes.me import VERSION
from csp_controlplane.gateway.schemas.common import ErrorAnswer
from csp_controlplane.gateway.schemas.events import LoggedEventAnswer, SendEvents

_ABOUT = """\
Agents, environments, sessions and files have the shapes of Anthropic's Managed Agents API: its
official client works with `base_url=<gateway>/api` and an API key of this gateway. What is ours is
added as fields, marked "Ours".

Sessions stream over `GET /api/v1/sessions/{session_id}/events/stream` (server-sent events) and the
WebSocket `/api/v1/sessions/{session_id}/ws`, whose messages are described by
`/api/v1/socket-schema.json`.

Every refusal has the shape of `ErrorAnswer`:

| status | type | meaning |
|---|---|---|
"""
_OPEN = ("/api/v1/health/", "/api/v1/auth/", "/api/v1/socket-schema.json", "/api/v1/shared")
_REF = "#/components/schemas/{model}"


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document. Built once; the routes do not change."""
    if app.openapi_schema is None:
        app.openapi_schema = _document(app)
    return app.openapi_schema


def _document(app: FastAPI) -> dict[str, Any]:
    table = error_table()
    rows = "\n".join(f"| {row['status']} | `{row['type']}` | {row['meaning']} |" for row in table)
    document = get_openapi(
        title="csp gateway", version=VERSION, description=_ABOUT + rows, routes=app.routes
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _, extra = models_json_schema(
        [(SendEvents, "validation"), (ErrorAnswer, "serialization"),
         (LoggedEventAnswer, "serialization")],
        ref_template=_REF,
    )  # fmt: skip
    for name, schema in extra.get("$defs", {}).items():
        schemas.setdefault(name, schema)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {
        "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "csp_session"},
    }
    document["x-errors"] = table
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    error = {
        "description": "Refused; see the table of errors.",
        "content": {"application/json": {"schema": {"$ref": _REF.format(model="ErrorAnswer")}}},
    }
    responses.setdefault("default", error)
    # Names for generated clients: the function's, not the path's.
    operation["operationId"] = operation["operationId"].split("_api_v1_")[0]
    if not path.startswith(_OPEN):
        operation["security"] = [{"apiKey": []}, {"bearer": []}, {"cookie": []}]
    if method in ("post", "delete") and not path.startswith(_OPEN):
        responses.setdefault("429", error)
