"""The precise language of tests: every step of a script."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import anthropic
import pytest
from anthropic import AsyncAnthropic

from support.models import MODEL, ScriptedServer, body, post, script

BASH = {
    "name": "Bash",
    "description": "Runs a command.",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}},
}


async def test_nth_request_plays_step_n(client: AsyncAnthropic) -> None:
    prompt = script(
        {"t": "tool", "text": "first", "tools": [{"name": "Bash", "input": {"command": "a"}}]},
        {"t": "text", "text": "second"},
    )
    messages: list[Any] = [{"role": "user", "content": prompt}]
    texts = []
    for _ in range(3):
        answer = await client.messages.create(
            model=MODEL,
            max_tokens=100,
            messages=messages,
            tools=[BASH],  # type: ignore[list-item]
        )
        texts.append(answer.content[0].text)  # type: ignore[union-attr]
        messages.append({"role": "assistant", "content": answer.model_dump()["content"]})
        messages.append({"role": "user", "content": [{"type": "tool_result", "content": "ok"}]})
    assert texts == ["first", "second", "done"]


async def test_coded_script_and_usage(client: AsyncAnthropic) -> None:
    import base64

    steps = [{"t": "think", "thinking": "hm", "text": "so", "usage": {"output_tokens": 77}}]
    coded = base64.b64encode(json.dumps(steps).encode()).decode()
    answer = await client.messages.create(**body(f"SCRIPT64:{coded}:END"))
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.usage.output_tokens == 77


async def test_times_and_then(client: AsyncAnthropic) -> None:
    step = {"t": "err", "status": 529, "times": 2, "then": {"t": "text", "text": "at last"}}
    asked = body(script(step))
    for _ in range(2):
        with pytest.raises(anthropic.APIStatusError):
            await client.messages.create(**asked)
    assert (await client.messages.create(**asked)).content[0].text == "at last"


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ({"t": "cut", "n": 3}, aiohttp.ClientPayloadError),
        ({"t": "stall", "n": 3, "secs": 0.1}, aiohttp.ClientPayloadError),
        ({"t": "malformed"}, None),
        ({"t": "sse_error", "n": 2, "etype": "overloaded_error"}, None),
    ],
)
async def test_streams_that_break_off(
    scripted: ScriptedServer, step: dict[str, Any], error: type[Exception] | None
) -> None:
    received = b""
    async with post(scripted.url, "key", body(script(step), stream=True)) as response:
        if error:
            with pytest.raises(error):
                async for data in response.content.iter_any():
                    received += data
        else:
            received = await response.read()
    assert received.count(b"chunk ") == step.get("n", 1)
    assert b"message_stop" not in received
    if step["t"] == "sse_error":
        assert b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"' in received


async def test_hang_sends_nothing(client: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.APITimeoutError):
        await client.with_options(timeout=0.3).messages.create(
            **body(script({"t": "hang", "secs": 30}))
        )


async def test_unreadable_script_says_so(client: AsyncAnthropic) -> None:
    for prompt in ("SCRIPT:[nonsense]:END", "SCRIPT64:AAA:END", "SCRIPT:[1]:END"):
        answer = await client.messages.create(**body(prompt))
        assert "script" in answer.content[0].text
