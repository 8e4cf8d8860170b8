"""The scripted model speaks the Messages API as Anthropic's own client expects it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import anthropic
import pytest
from anthropic import AsyncAnthropic

from support.models import MODEL, ScriptedServer, body, post, recorded

BASH = {
    "name": "Bash",
    "description": "Runs a command.",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}},
}


async def test_streamed_text_arrives_word_by_word(client: AsyncAnthropic) -> None:
    async with client.messages.stream(**body("tell me about maps")) as stream:
        pieces = [piece async for piece in stream.text_stream]
        message = await stream.get_final_message()
    assert len(pieces) > 20
    assert "".join(pieces) == message.content[0].text  # type: ignore[union-attr]
    assert "tell me about maps" in "".join(pieces)
    assert message.stop_reason == "end_turn"
    assert message.model == MODEL
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 20


async def test_stream_has_the_events_of_the_api_in_order(
    scripted: ScriptedServer,
) -> None:
    async with post(scripted.url, "key", body("hello", stream=True)) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["request-id"].startswith("req_")
        text = await response.text()
    names = [line.removeprefix("event: ") for line in text.split("\n") if line[:6] == "event:"]
    inner = [name for name in names if name != "content_block_delta"]
    assert inner == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    for line in text.split("\n"):
        if line.startswith("data: "):
            assert json.loads(line[6:])["type"] in names


async def test_thinking_comes_with_its_signature_before_the_text(client: AsyncAnthropic) -> None:
    asked = body("think about the sea", thinking={"type": "enabled", "budget_tokens": 1024})
    seen: list[str] = []
    async with client.messages.stream(**{**asked, "max_tokens": 4000}) as stream:
        async for event in stream:
            seen.append(event.type)
        message = await stream.get_final_message()
    thinking, text = message.content
    assert thinking.type == "thinking"
    assert len(thinking.thinking) > 100
    assert len(thinking.signature) > 20
    assert text.type == "text"
    assert seen.count("thinking") > 10
    assert "signature" in seen


async def test_tool_input_arrives_in_pieces(client: AsyncAnthropic) -> None:
    pieces = 0
    asked = body("run: echo a long enough command to need several pieces", tools=[BASH])
    async with client.messages.stream(**asked) as stream:
        async for event in stream:
            pieces += event.type == "input_json"
        message = await stream.get_final_message()
    assert message.stop_reason == "tool_use"
    call = message.content[-1]
    assert call.type == "tool_use"
    assert call.name == "Bash"
    assert call.input["command"] == "echo a long enough command to need several pieces"
    assert pieces > 2


async def test_whole_conversation_quotes_the_tools_real_result(client: AsyncAnthropic) -> None:
    asked = body("list files", tools=[BASH])
    first = await client.messages.create(**asked)
    call = first.content[-1]
    assert call.type == "tool_use"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "total 1\nREADME.md"}
    asked["messages"] += [
        {"role": "assistant", "content": [block.model_dump() for block in first.content]},
        {"role": "user", "content": [result]},
    ]
    second = await client.messages.create(**asked)
    assert "README.md" in second.content[0].text


async def test_cache_usage_follows_the_conversation(client: AsyncAnthropic) -> None:
    system = [{"type": "text", "text": "x" * 4000, "cache_control": {"type": "ephemeral"}}]
    asked = body("hello", system=system)
    first = await client.messages.create(**asked)
    assert first.usage.cache_creation_input_tokens
    assert first.usage.cache_read_input_tokens == 0
    asked["messages"] += [
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "and again"},
    ]
    second = await client.messages.create(**asked)
    assert (second.usage.cache_read_input_tokens or 0) >= 1000


async def test_tokens_are_counted_and_models_listed(client: AsyncAnthropic) -> None:
    counted = await client.messages.count_tokens(
        model=MODEL, messages=[{"role": "user", "content": "a" * 400}]
    )
    assert 100 <= counted.input_tokens <= 130
    models = [model async for model in client.models.list()]
    assert MODEL in [model.id for model in models]
    assert (await client.models.retrieve(MODEL)).display_name.startswith("Claude Opus")
    with pytest.raises(anthropic.NotFoundError):
        await client.models.retrieve("claude-1")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.APIStatusError),
    ],
)
async def test_error_by_name_is_the_clients_error(
    client: AsyncAnthropic, status: int, error: type[anthropic.APIStatusError]
) -> None:
    with pytest.raises(error) as failed:
        await client.messages.create(**body(f"error {status} always"))
    assert failed.value.status_code == status
    parsed = failed.value.body
    assert isinstance(parsed, dict)
    assert parsed["type"] == "error"
    assert parsed["request_id"] == failed.value.response.headers["request-id"]


async def test_error_without_always_happens_once(client: AsyncAnthropic) -> None:
    asked = body("error 500 in this very test")
    with pytest.raises(anthropic.InternalServerError):
        await client.messages.create(**asked)
    assert "retry" in (await client.messages.create(**asked)).content[0].text


async def test_wrong_and_missing_keys_are_refused(scripted: ScriptedServer) -> None:
    with ScriptedServer(api_key="right") as strict:
        async with post(strict.url, "wrong", body("hi")) as response:
            assert response.status == 401
            assert (await response.json())["error"]["message"] == "invalid x-api-key"
        async with post(strict.url, "right", body("hi")) as response:
            assert response.status == 200
    async with post(scripted.url, "", body("hi")) as response:
        assert response.status == 401


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"model":"m"}',
        b'{"model":"m","max_tokens":"many","messages":[]}',
        b'{"model":"m","max_tokens":1,"messages":{}}',
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"\xff"}]}',
    ],
)
async def test_bad_request_gets_the_apis_error(scripted: ScriptedServer, content: bytes) -> None:
    async with post(scripted.url, "key", content) as response:
        assert response.status == 400
        assert (await response.json())["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [None, 7, "text"],
        [{"role": "user"}],
        [{"role": "user", "content": [None, {"type": "text"}, {"text": 5}]}],
        [{"role": "user", "content": [{"type": "tool_result", "content": {"a": 1}}]}],
        [{"role": "assistant", "content": [{"type": "tool_use"}]}],
    ],
)
async def test_unexpected_shapes_are_answered(client: AsyncAnthropic, messages: Any) -> None:
    answer = await client.messages.create(
        model=MODEL, max_tokens=100, messages=messages, tools=[], thinking={"type": "disabled"}
    )
    assert answer.content[0].type == "text"


async def test_requests_are_recorded_and_forgotten() -> None:
    with ScriptedServer(record_requests="3") as scripted:
        for number in range(5):
            asked = body(f"number {number}", system="be kind", tools=[BASH])
            headers = {"traceparent": "00-1-2-01", "user-agent": "test"}
            async with post(scripted.url, "key", asked, **headers) as response:
                await response.read()
        entries = await recorded(scripted.url)
        assert [entry["number"] for entry in entries] == [3, 4, 5]
        last = entries[-1]
        assert last["headers"]["traceparent"] == "00-1-2-01"
        assert last["tools"] == ["Bash"]
        assert last["system"] == "be kind"
        assert last["messages"][0]["content"] == "number 4"
        async with aiohttp.ClientSession() as http, http.post(scripted.url + "/_reset") as response:
            assert response.status == 200
        assert await recorded(scripted.url) == []


async def test_words_come_with_a_natural_delay() -> None:
    with ScriptedServer(word_delay_ms="10") as scripted:
        clock = asyncio.get_running_loop().time
        begin = clock()
        asked = body("tell me a story", stream=True)
        async with post(scripted.url, "key", asked) as response:
            text = await response.text()
        assert clock() - begin >= 0.01 * text.count("text_delta")


async def test_bound_port_is_written_to_a_file(tmp_path: Any) -> None:
    from support.processes import ServerProcess
    from support.waiting import wait_until

    file = tmp_path / "port"
    process = ServerProcess.module(
        "csp_controlplane.scripted_model",
        log=tmp_path / "log",
        environment={"CSP_SCRIPTED_PORT": "0", "CSP_SCRIPTED_PORT_FILE": str(file)},
    )
    with process:
        await wait_until(file.exists, 20, "the port file")
        url = f"http://127.0.0.1:{file.read_text().strip()}"
        assert url in process.log.read_text()
        async with post(url, "key", body("hi")) as response:
            assert response.status == 200
    assert process.returncode == 0
