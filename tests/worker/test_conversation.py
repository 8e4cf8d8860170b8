"""A conversation with a bound worker: what the log holds after each kind of turn."""

from __future__ import annotations

import json
from typing import Any

from csp_proto import worker_pb2 as pb
from support.processes import processes_of
from support.waiting import wait_until
from support.worker_client import Gateway, ModelRequests, say, script, tool

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


def blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Content blocks of a message of the Messages API."""
    content = message["content"]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


async def test_a_message_is_one_turn_from_its_start_to_its_end(gateway: Gateway) -> None:
    message = gateway.message(script(say("hello ", n=3)))
    end = await gateway.turn_end(message)

    start = gateway.log.of("span.turn_start")[0]
    assert start["message_ids"] == [message["id"]]
    assert start["message_seqs"] == [1]
    assert start["origin"] == "user"
    assert (end["outcome"], end["turn_start_id"]) == ("completed", start["id"])
    assert gateway.log.text() == "hello hello hello "
    types = [event["type"] for event in gateway.log.events[1:]]
    assert types == [
        "span.turn_start",
        "span.model_request_start",
        "agent.message",
        "span.model_request_end",
        "span.turn_end",
    ]


async def test_text_and_thinking_are_previewed_under_the_id_of_their_fact(
    gateway: Gateway,
) -> None:
    await gateway.turn(
        script({"t": "think", "thinking": "let me see", "text": "dör änswer", "chunk_delay": 0.01})
    )

    for event_type, text in (
        ("agent.message", "dör änswer"),
        ("agent.thinking", "let me see"),
    ):
        fact = gateway.log.of(event_type)[0]
        pieces = [p for p in gateway.previews if p.event_id == fact["id"]]
        assert pieces[0].kind == pb.Preview.START
        shown = b""
        for piece in pieces[1:]:
            assert piece.offset == len(shown)
            content = json.loads(piece.payload)["delta"]["content"]
            shown += (content.get("text") or content["thinking"]).encode()
            assert piece.length == len(shown) - piece.offset
        assert shown.decode() == text


async def test_a_fast_stream_becomes_few_messages(gateway: Gateway) -> None:
    await gateway.turn(script(say("word ", n=2000)))

    deltas = [p for p in gateway.previews if p.kind == pb.Preview.DELTA]
    assert sum(p.length for p in deltas) == 5 * 2000
    assert len(deltas) < 200


async def test_messages_wait_in_line_and_are_answered_in_order(gateway: Gateway) -> None:
    first = gateway.message(script(say("one ", n=20, chunk_delay=0.03)))
    second = gateway.message(script(say("two")))
    third = gateway.message(script(say("three")))
    for message in (first, second, third):
        await gateway.turn_end(message)

    ends = [event["message_ids"] for event in gateway.log.of("span.turn_end")]
    assert ends == [[first["id"]], [second["id"]], [third["id"]]]
    starts = [event["message_ids"] for event in gateway.log.of("span.turn_start")]
    assert starts == ends
    assert gateway.log.text().endswith("twothree")


async def test_a_waiting_message_can_be_edited_and_another_taken_back(gateway: Gateway) -> None:
    first = gateway.message(script(say("one ", n=20, chunk_delay=0.03)))
    edited = gateway.message(script(say("before")))
    cancelled = gateway.message(script(say("never")))
    last = gateway.message(script(say("last")))
    gateway.send(
        "user.message_update",
        message_id=edited["id"],
        content=[{"type": "text", "text": script(say("after "))}],
    )
    gateway.send("user.message_cancel", message_id=cancelled["id"])
    await gateway.turn_end(last)

    assert gateway.log.text().endswith("after last")
    assert [e["message_ids"][0] for e in gateway.log.of("span.turn_start")] == [
        first["id"], edited["id"], last["id"],
    ]  # fmt: skip


async def test_an_interrupt_ends_the_turn_and_keeps_what_was_said(gateway: Gateway) -> None:
    message = gateway.message(script(say("on and on ", n=200, chunk_delay=0.05)))
    await gateway.until(lambda: len(gateway.previews) > 3, what="previews")
    gateway.send("user.interrupt", user_id="user_test")
    end = await gateway.turn_end(message, 10)

    assert (end["outcome"], end["reason"]) == ("interrupted", "user_interrupt")
    assert gateway.log.text().startswith("on and on")
    after = await gateway.turn(script(say("again")))
    assert after["outcome"] == "completed"


async def test_an_interrupt_ends_a_running_tool(gateway: Gateway) -> None:
    message = gateway.message(
        script(tool("Bash", command="python3 -c 'import time; time.sleep(98765.1)'"), say("done"))
    )
    gateway.confirm(await gateway.event("agent.tool_use"))
    await wait_until(lambda: processes_of("98765.1"), what="the command runs")
    gateway.send("user.interrupt", user_id="user_test")
    end = await gateway.turn_end(message, 10)

    assert end["outcome"] == "interrupted"
    assert gateway.log.of("agent.tool_result")[0]["is_error"]


async def test_repeated_input_is_one_turn(gateway: Gateway) -> None:
    message = gateway.message(script(say("once")))
    gateway.deliver(1, message)
    await gateway.turn_end(message)
    gateway.deliver(1, message)
    await gateway.turn(script(say("next")))

    assert len(gateway.log.of("span.turn_start")) == 2
    assert gateway.frames[-1] is not None


async def test_model_and_permission_mode_change_between_turns(
    gateway: Gateway, model_requests: ModelRequests
) -> None:
    gateway.send("session.updated", model="claude-opus-4-5", permission_mode="acceptEdits")
    path = "made.txt"
    await gateway.turn(script(tool("Write", file_path=path, content="x"), say("written")))

    use = gateway.log.of("agent.tool_use")[0]
    assert use["evaluated_permission"] == "allow"
    assert (await model_requests(gateway))[-1]["model"] == "claude-opus-4-5"
    assert gateway.log.of("span.model_request_start")[0]["model"] == "claude-opus-4-5"


async def test_a_picture_reaches_the_model(gateway: Gateway, model_requests: ModelRequests) -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                                           "data": PNG}}  # fmt: skip
    await gateway.turn([{"type": "text", "text": script(say("seen"))}, picture])

    messages = (await model_requests(gateway))[-1]["messages"]
    assert any(block.get("type") == "image" for m in messages for block in blocks(m))


async def test_the_context_is_measured_on_request(gateway: Gateway) -> None:
    await gateway.turn(script(say("hello")))
    answer = await gateway.stub.GetContextUsage(
        pb.GetContextUsageRequest(), metadata=gateway.metadata()
    )

    usage = json.loads(answer.usage_json)
    assert usage["totalTokens"] > 0
    assert usage["maxTokens"] >= usage["totalTokens"]
