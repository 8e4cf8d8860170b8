"""A model that fails: retried where that helps, said in plain words where it does not."""

from __future__ import annotations

import pytest

from csp_proto import worker_pb2 as pb
from support.worker_client import Gateway, say, script


async def test_a_retry_is_shown_and_the_answer_comes(gateway: Gateway) -> None:
    end = await gateway.turn(script({"t": "err", "status": 529, "times": 1}), 40)

    error = gateway.log.of("session.error")[0]["error"]
    assert error["retry_status"] == {"type": "retrying"}
    assert (error["attempt"], error["status"]) == (1, 529)
    assert "overloaded" in error["message"]
    assert end["outcome"] == "completed"
    assert gateway.log.text() == "recovered"


@pytest.mark.parametrize(
    ("status", "kind", "word"),
    [(400, "invalid_request_error", "refused"), (403, "permission_error", "refuses")],
)
async def test_a_refused_request_ends_the_turn_with_a_sentence(
    gateway: Gateway, status: int, kind: str, word: str
) -> None:
    end = await gateway.turn(script({"t": "err", "status": status}), 60)

    assert end["outcome"] == "error"
    assert end["error"]["type"] == kind
    assert word in end["error"]["message"]
    assert gateway.log.of("session.error")[-1]["error"]["retry_status"] == {"type": "terminal"}
    assert not gateway.log.of("agent.message")
    assert (await gateway.turn(script(say("on"))))["outcome"] == "completed"


async def test_errors_that_do_not_pass_exhaust_the_retries(gateway: Gateway) -> None:
    end = await gateway.turn(script({"t": "err", "status": 500}), 90)

    kinds = [e["error"]["retry_status"]["type"] for e in gateway.log.of("session.error")]
    assert kinds[-1] == "exhausted"
    assert set(kinds[:-1]) == {"retrying"}
    assert end["outcome"] == "error"


async def test_a_cut_stream_is_withdrawn_and_asked_again(gateway: Gateway) -> None:
    end = await gateway.turn(script({"t": "cut", "n": 5, "chunk_delay": 0.1, "times": 1}), 60)

    withdrawn = [p for p in gateway.previews if p.kind == pb.Preview.WITHDRAWN]
    ids = {event["id"] for event in gateway.log.of("agent.message")}
    assert withdrawn
    assert withdrawn[0].event_id not in ids
    spans = gateway.log.of("span.model_request_end")
    assert [span["is_error"] for span in spans] == [True, False]
    assert gateway.log.text() == "recovered"
    assert end["outcome"] == "completed"


async def test_an_error_in_mid_stream_is_recovered_from(gateway: Gateway) -> None:
    end = await gateway.turn(script({"t": "sse_error", "n": 2, "times": 1}), 60)

    assert end["outcome"] == "completed"
    assert gateway.log.text() == "recovered"
    starts = gateway.log.of("span.model_request_start")
    ends = gateway.log.of("span.model_request_end")
    assert [e["model_request_start_id"] for e in ends] == [s["id"] for s in starts]


async def test_usage_of_a_request_stands_in_its_end(gateway: Gateway) -> None:
    usage = {"input_tokens": 11, "output_tokens": 7, "cache_read_input_tokens": 5}
    end = await gateway.turn(script(say("x", usage=usage)))

    span = gateway.log.of("span.model_request_end")[0]
    assert span["model_usage"]["input_tokens"] == 11
    assert span["model_usage"]["output_tokens"] == 7
    assert span["model_usage"]["cache_read_input_tokens"] == 5
    assert (span["stop_reason"], span["is_error"]) == ("end_turn", False)
    assert end["usage"]["output_tokens"] == 7
    await gateway.turn(script(say("y")))
    assert gateway.log.of("span.model_request_end")[1]["context_window"] >= 200_000
