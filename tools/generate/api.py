"""The gateway's API as files: frontend/openapi.json, which the page's client is generated from, and
the reference pages of the routes and of the socket's messages.

The application is built but not run: no server, no database.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from csp_controlplane.gateway.app import create_app
from csp_controlplane.gateway.schemas.socket import socket_schema
from csp_controlplane.gateway.settings import GatewaySettings
from csp_controlplane.settings import DatabaseSettings
from generate.markdown import page, table
from prepare.steps import ROOT

OPENAPI = ROOT / "frontend" / "openapi.json"
_REFERENCE = ROOT / "docs" / "reference"
_METHODS = ("get", "post", "put", "patch", "delete")
_API_INTRODUCTION = """\
A running gateway serves the exact description of every route, with all fields, as OpenAPI at
`/api/v1/openapi.json`; a copy is in the repository as `frontend/openapi.json`. Where a resource
exists in Anthropic's Managed Agents API, its shape is the same, and Anthropic's clients work with
`base_url=<gateway>/api`."""
_SOCKET_INTRODUCTION = """\
The messages of `GET /api/v1/sessions/{session_id}/ws`. The exact JSON Schema is
[socket-schema.json](socket-schema.json), which a running gateway serves too. What the messages mean
is in [the protocol](protocol.md)."""


def main() -> None:
    openapi = _openapi()
    _write(OPENAPI, openapi)
    rows = [
        [f"`{method.upper()}`", f"`{path}`", _sentence(operation)]
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
        if method in _METHODS
    ]
    routes = table(["Method", "Path", "What it does"], rows)
    (_REFERENCE / "api.md").write_text(page("API", "the gateway", [_API_INTRODUCTION, routes]))
    schema = socket_schema()
    _write(_REFERENCE / "socket-schema.json", schema)
    (_REFERENCE / "socket.md").write_text(page("WebSocket", "the gateway", _socket(schema)))


def _openapi() -> dict[str, Any]:
    nowhere = "postgresql://nowhere/none"
    gateway = GatewaySettings(signing_key_file=Path("none"), static_dir=None)
    return create_app(gateway, DatabaseSettings(url=SecretStr(nowhere)), None).openapi()


def _sentence(operation: dict[str, Any]) -> str:
    """The first paragraph of what the route says of itself."""
    text: str = operation.get("description") or operation.get("summary", "")
    return text.split("\n\n")[0]


def _socket(schema: dict[str, Any]) -> list[str]:
    definitions = schema["$defs"]
    parts = [_SOCKET_INTRODUCTION]
    for side, title in (("ClientMessage", "From the client"), ("ServerMessage", "From the server")):
        parts.append(f"## {title}")
        for reference in definitions[side]["oneOf"]:
            parts += _message(definitions[reference["$ref"].rpartition("/")[2]])
    closes = [[code, meaning] for code, meaning in schema["x-close-codes"].items()]
    return [*parts, "## Close codes", table(["Code", "Meaning"], closes)]


def _message(definition: dict[str, Any]) -> list[str]:
    fields = definition["properties"]
    name = fields["type"].get("const", definition["title"])
    required = definition.get("required", [])
    rows = [
        [f"`{field}`", _type(shape), "" if field in required else "optional",
         shape.get("description", "")]
        for field, shape in fields.items()
        if field != "type"
    ]  # fmt: skip
    fields_table = table(["Field", "Type", "", "Meaning"], rows) if rows else ""
    return [part for part in (f"### `{name}`", definition.get("description"), fields_table) if part]


def _type(shape: dict[str, Any]) -> str:
    if "$ref" in shape:
        return str(shape["$ref"].rpartition("/")[2])
    if choices := shape.get("anyOf") or shape.get("oneOf"):
        return " or ".join(_type(part) for part in choices)
    if shape.get("type") == "array":
        return f"list of {_type(shape.get('items', {}))}"
    return str(shape.get("const", shape.get("type", "any")))


def _write(file: Path, data: dict[str, Any]) -> None:
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
