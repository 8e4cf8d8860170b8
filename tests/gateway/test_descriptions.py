"""The API's own descriptions are valid, complete and true."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from csp_controlplane.errors import ApiError
from csp_controlplane.gateway.answers import error_table
from csp_controlplane.gateway.schemas.socket import socket_schema
from support.gateway_process import GatewayProcess


def references(node: Any) -> list[str]:
    """Every $ref below a node."""
    if isinstance(node, dict):
        here = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return here + [ref for value in node.values() for ref in references(value)]
    if isinstance(node, list):
        return [ref for value in node for ref in references(value)]
    return []


@pytest.fixture
def document(gateway: GatewayProcess) -> dict[str, Any]:
    body: dict[str, Any] = gateway.get("/api/v1/openapi.json").json()
    return body


def test_the_openapi_document_is_sound(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    for ref in references(document):
        assert ref.removeprefix("#/components/schemas/") in schemas, ref
    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        if name.endswith(("Answer", "Create", "Update")):
            assert schema["description"], name
    names = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(names) == len(set(names))
    assert "create_session" in names


def test_every_operation_answers_with_a_schema_and_refuses_in_one_shape(
    document: dict[str, Any],
) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert "422" not in operation["responses"], where
            error = operation["responses"]["default"]["content"]["application/json"]["schema"]
            assert error == {"$ref": "#/components/schemas/ErrorAnswer"}, where
            good = [code for code in operation["responses"] if code.startswith("2")]
            assert len(good) == 1, where
            if good == ["200"] and not path.endswith("socket-schema.json"):
                (content,) = operation["responses"]["200"]["content"].values()
                assert content.get("schema") != {}, where


def test_every_path_of_the_contract_is_described(document: dict[str, Any]) -> None:
    wanted = {
        "/me": "get",
        "/auth/login": "post",
        "/auth/logout": "post",
        "/api_keys": "get post",
        "/api_keys/{key_id}": "delete",
        "/agents": "get post",
        "/agents/{agent_id}": "get post",
        "/agents/{agent_id}/archive": "post",
        "/agents/{agent_id}/versions": "get",
        "/environments": "get post",
        "/environments/{environment_id}": "get post delete",
        "/environments/{environment_id}/archive": "post",
        "/sessions": "get post",
        "/sessions/{session_id}": "get post delete",
        "/sessions/{session_id}/archive": "post",
        "/sessions/{session_id}/unarchive": "post",
        "/sessions/{session_id}/events": "get post",
        "/sessions/{session_id}/events/stream": "get",
        "/sessions/import": "post",
        "/sessions/{session_id}/export": "get",
        "/sessions/{session_id}/fork": "post",
        "/sessions/{session_id}/rewind": "post",
        "/sessions/{session_id}/branches": "get",
        "/sessions/{session_id}/shares": "get post",
        "/sessions/{session_id}/shares/{share_id}": "delete",
        "/shared": "get",
        "/shared/events": "get",
        "/shared/files/{file_id}": "get",
        "/users": "get",
        "/users/{user_id}/erase": "post",
        "/sessions/{session_id}/context": "get",
        "/sessions/{session_id}/files": "get",
        "/sessions/{session_id}/files/content": "get",
        "/files": "get post",
        "/files/{file_id}": "get delete",
        "/files/{file_id}/content": "get",
        "/health/live": "get",
        "/health/ready": "get",
        "/health/startup": "get",
        "/socket-schema.json": "get",
    }
    described = {
        path.removeprefix("/api/v1"): set(operations)
        for path, operations in document["paths"].items()
    }
    assert described == {path: set(methods.split()) for path, methods in wanted.items()}


def test_the_error_table_is_the_error_tree(document: dict[str, Any]) -> None:
    assert document["x-errors"] == error_table()
    listed = {(row["status"], row["type"]) for row in error_table()}
    kinds: list[type[ApiError]] = [ApiError, *ApiError.__subclasses__()]
    for kind in kinds:
        if kind.__module__ == "csp_controlplane.errors":
            assert (kind.status, kind.type) in listed
            assert f"`{kind.type}`" in document["info"]["description"]


async def test_examples_in_the_document_work(
    api: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    schemas = document["components"]["schemas"]
    example = schemas["AgentCreate"]["examples"][0]
    agent = await api.post("/agents", json=example)
    assert agent.status_code == 200, agent.text
    example = schemas["EnvironmentCreate"]["examples"][0]
    assert (await api.post("/environments", json=example)).status_code == 200
    example = schemas["SessionCreate"]["examples"][0] | {"agent": agent.json()["id"]}
    session = await api.post("/sessions", json=example)
    assert session.status_code == 200, session.text
    example = schemas["SendEvents"]["examples"][0]
    answer = await api.post(f"/sessions/{session.json()['id']}/events", json=example)
    assert answer.status_code == 200, answer.text


SERVER = [
    {"type": "events", "first_seq": 4, "events": [{"id": "sevt_1", "type": "user.message"}]},
    {"type": "previews", "events": [
        {"type": "event_start", "event": {"id": "sevt_1", "type": "agent.message"}},
        {"type": "event_delta", "event_id": "sevt_1", "offset": 0,
         "delta": {"type": "content_delta", "index": 0, "content": {"type": "text", "text": "a"}}},
        {"type": "event_delta", "event_id": "sevt_2", "offset": 0,
         "delta": {"type": "content_delta", "index": 0,
                   "content": {"type": "thinking", "thinking": "a"}}},
    ]},
    {"type": "preview_withdrawn", "event_id": "sevt_1"},
    {"type": "caught_up", "seq": 4},
    {"type": "ack", "client_id": "c", "data": [{"id": "sevt_1", "type": "user.message", "seq": 4}]},
    {"type": "error", "client_id": None, "error": {"type": "conflict_error", "message": "m"}},
    {"type": "pong"},
]  # fmt: skip
CLIENT = [
    {"type": "ping"},
    {"type": "send", "client_id": "c", "events": [
        {"type": "user.message", "content": [{"type": "text", "text": "hi"}]},
        {"type": "user.message_update", "message_id": "m",
         "content": [{"type": "text", "text": "hi"}]},
        {"type": "user.message_cancel", "message_id": "m"},
        {"type": "user.interrupt"},
        {"type": "user.tool_confirmation", "tool_use_id": "t", "result": "deny",
         "deny_message": "no"},
    ]},
]  # fmt: skip
BAD = [
    {"type": "hello"},
    {"type": "send", "events": []},
    {"type": "events", "first_seq": 1, "events": []},
    {"type": "unknown"},
    {},
]


def test_the_socket_schema_describes_the_messages(gateway: GatewayProcess) -> None:
    schema = gateway.get("/api/v1/socket-schema.json").json()
    assert schema == socket_schema()
    Draft202012Validator.check_schema(schema)
    for ref in references(schema):
        assert ref.removeprefix("#/$defs/") in schema["$defs"], ref
    for side, messages in (("ServerMessage", SERVER), ("ClientMessage", CLIENT)):
        validator = Draft202012Validator({"$ref": f"#/$defs/{side}", "$defs": schema["$defs"]})
        for message in messages:
            validator.validate(message)
    validator = Draft202012Validator(schema)
    for message in BAD:
        assert not validator.is_valid(message), message
