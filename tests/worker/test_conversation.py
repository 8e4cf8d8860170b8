"""A conversation with a bound worker: what the log holds after each kind of turn."""

from __future__ import annotations

from support.worker_client import Gateway, say, script


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
