"""Several gateways on one worker: one writes, all see previews, none loses anything."""

from __future__ import annotations

import asyncio
import json

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from csp_controlplane.attach.core import CHANNEL_OPTIONS
from csp_proto import worker_pb2 as pb
from support.waiting import wait_until
from support.worker_client import Gateway, ModelRequests, WorkerProcess, say, script, spec
from worker.conftest import NewGateway, NewWorker

FREE = spec(default_permission="allow", permissions={})


def facts(gateway: Gateway) -> list[pb.Facts]:
    return [frame.facts for frame in gateway.frames if frame.HasField("facts")]


async def beside(new_gateway: NewGateway, gateway: Gateway, name: str, **options: bool) -> Gateway:
    """Another gateway of the same session, with the same log behind it."""
    other = new_gateway(
        gateway.worker, gateway.log, session_id=gateway.session_id, name=name, **options
    )
    return await other.attach()


async def test_the_first_gateway_writes_and_the_others_are_told_how_far_the_log_is(
    gateway: Gateway, new_gateway: NewGateway
) -> None:
    other = await beside(new_gateway, gateway, "second")
    await gateway.turn(script(say("hello")))

    assert gateway.writer
    assert not other.writer
    assert not facts(other)
    await other.until(
        lambda: any(f.advanced.last_seq >= gateway.log.last_seq for f in other.frames),
        what="Advanced",
    )
    assert not any(f.HasField("advanced") for f in gateway.frames)


async def test_previews_go_to_every_gateway(gateway: Gateway, new_gateway: NewGateway) -> None:
    other = await beside(new_gateway, gateway, "second", acks=False)
    await gateway.turn(script(say("word ", n=20, chunk_delay=0.01)))
    await other.until(
        lambda: sum(p.length for p in other.previews) == 100, what="all of the preview"
    )


async def test_a_gateway_that_only_watches_never_writes(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    watcher = new_gateway(worker)
    await watcher.bind()
    await watcher.attach(can_write=False)
    gateway = await beside(new_gateway, watcher, "second")
    await gateway.turn(script(say("hello")))

    assert not watcher.writer
    assert gateway.writer


async def test_the_writers_end_promotes_another_at_once_with_everything_unacknowledged(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    silent = await new_gateway(worker, acks=False, name="silent").open(FREE)
    silent.message(script(say("hello")))
    await silent.until(lambda: facts(silent), what="facts")
    other = await beside(new_gateway, silent, "second")
    assert not other.writer
    await silent.close()
    await other.event("span.turn_end")

    assert other.writer
    assert facts(other)[0].first_n == 1


async def test_a_silent_writer_loses_the_role_after_its_time(
    new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    worker = new_worker(environment={"CSP_WORKER_WRITER_SILENCE_SECONDS": "1"})
    await worker.ready()
    silent = await new_gateway(worker, acks=False, name="silent").open(FREE)
    other = await beside(new_gateway, silent, "second")
    silent.message(script(say("hello")))
    await other.event("span.turn_end")

    assert facts(silent)[0].first_n == facts(other)[0].first_n == 1
    assert facts(silent)[0] == facts(other)[0]
    await silent.until(lambda: not silent.writer, what="the role is taken away")


async def test_a_batch_is_sent_again_as_it_was(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    first = await new_gateway(worker, acks=False, name="first").open(FREE)
    first.message(script(say("hello")))
    await first.until(lambda: facts(first), what="facts")
    await first.close()
    second = await beside(new_gateway, first, "second", acks=False)
    await second.until(lambda: facts(second), what="facts")

    assert facts(second)[0].SerializeToString(deterministic=True) == (
        facts(first)[0].SerializeToString(deterministic=True)
    )


async def test_a_late_gateway_gets_what_is_being_written_from_its_beginning(
    gateway: Gateway, new_gateway: NewGateway
) -> None:
    message = gateway.message(script(say("word ", n=60, chunk_delay=0.03)))
    await gateway.until(lambda: len(gateway.previews) > 10, what="previews")
    late = await beside(new_gateway, gateway, "late")
    await gateway.turn_end(message)
    assert late.frames[0].hello.turn_running

    event_id = gateway.log.of("agent.message")[0]["id"]
    pieces = [p for p in late.previews if p.event_id == event_id]
    assert [pieces[0].kind, pieces[1].kind] == [pb.Preview.START, pb.Preview.DELTA]
    text = ""
    for piece in pieces[1:]:
        assert piece.offset == len(text)
        text += json.loads(piece.payload)["delta"]["content"]["text"]
    assert pieces[1].length > 5 * 5
    assert text == "word " * 60


async def test_input_delivered_by_two_gateways_is_taken_once(
    gateway: Gateway, new_gateway: NewGateway
) -> None:
    other = await beside(new_gateway, gateway, "second")
    message = gateway.message(script(say("once")))
    await gateway.event("span.turn_start")
    other.deliver(1, message)
    await gateway.turn_end(message)
    # By the same stream, so that it comes after the repetition.
    await gateway.turn_end(other.message(script(say("next"))))

    assert len(gateway.log.of("span.turn_start")) == 2
    await other.until(
        lambda: any(f.input_cursor.seq >= 1 for f in other.frames), what="the input cursor"
    )


async def test_the_cli_has_a_message_while_the_log_gets_its_turn(
    worker: WorkerProcess, new_gateway: NewGateway, model_requests: ModelRequests
) -> None:
    gateway = await new_gateway(worker, acks=False).open(FREE)
    gateway.message(script(say("hello")))
    # Here no model proxy stands before the model, which is what holds the request back.
    await wait_until(lambda: model_requests(gateway), what="the request")
    first = facts(gateway)[0]
    assert (first.first_n, first.facts[0].type) == (1, "span.turn_start")
    assert not gateway.log.of("span.turn_start")

    gateway.acks = True
    for batch in facts(gateway):
        gateway.commit(batch)
    assert (await gateway.event("span.turn_end"))["outcome"] == "completed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [("user.message_update", "message_changed"), ("user.message_cancel", "message_cancelled")],
)
async def test_a_message_that_changes_while_its_turn_is_written_is_not_answered_as_it_was(
    worker: WorkerProcess, new_gateway: NewGateway, change: str, reason: str
) -> None:
    gateway = await new_gateway(worker, acks=False).open(FREE)
    message = gateway.message(script(say("on and on ", n=200, chunk_delay=0.05)))
    await gateway.until(lambda: facts(gateway), what="facts")
    content = [{"type": "text", "text": "something else"}]
    gateway.send(change, message_id=message["id"], content=content)
    gateway.acks = True
    for batch in facts(gateway):
        gateway.commit(batch)

    end = await gateway.turn_end(message, 10)
    assert (end["outcome"], end["reason"]) == ("interrupted", reason)
    assert (await gateway.turn(script(say("next"))))["outcome"] == "completed"


async def test_a_gateway_that_does_not_read_loses_its_stream_only(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open(FREE)
    slow = gateway.stub.Attach(metadata=gateway.metadata())
    hello = pb.AttachHello(gateway_id="slow")
    await slow.write(pb.GatewayFrame(hello=hello))
    greeting = await slow.read()
    assert isinstance(greeting, pb.WorkerFrame)
    assert greeting.HasField("hello")
    text = "x" * 10_000
    for _ in range(3):
        end = await gateway.turn(script(say(text, n=1000)), 60)
        assert end["outcome"] == "completed"

    async def read_on() -> None:
        while await slow.read() is not grpc.aio.EOF:
            pass

    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await asyncio.wait_for(read_on(), 90)
    assert ended.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_full_spill_file_stops_the_turn_and_holds_the_next_one_back(
    new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    worker = new_worker(
        environment={"CSP_WORKER_SPILL_BYTES": "20000", "CSP_WORKER_MEMORY_BYTES": "20000"}
    )
    await worker.ready()
    gateway = await new_gateway(worker, acks=False).open(FREE)
    first = gateway.message(
        script(
            {"t": "think", "thinking": "z" * 90_000, "text": "on ", "n": 900, "chunk_delay": 0.05}
        )
    )
    second = gateway.message(script(say("at last")))
    await gateway.until(lambda: facts(gateway), what="the start of the turn")
    gateway.commit(facts(gateway)[0])

    def kinds() -> list[str]:
        return [fact.type for batch in facts(gateway) for fact in batch.facts]

    await gateway.until(lambda: "span.turn_end" in kinds(), what="the end of the turn")
    assert kinds().count("span.turn_start") == 1
    gateway.acks = True
    for batch in facts(gateway)[1:]:
        gateway.commit(batch)
    end = await gateway.turn_end(first)
    assert (end["outcome"], end["reason"]) == ("interrupted", "log_unavailable")
    assert (await gateway.turn_end(second))["outcome"] == "completed"


async def test_a_stream_on_which_nothing_happens_stays(worker: WorkerProcess) -> None:
    """A gateway's pings on a silent stream are no abuse, or every idle session would lose it."""
    options = dict(CHANNEL_OPTIONS) | {"grpc.keepalive_time_ms": 1000}  # the least there is
    async with grpc.aio.insecure_channel(worker.endpoint, options=tuple(options.items())) as line:
        stub = health_pb2_grpc.HealthStub(line)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        silence = asyncio.ensure_future(watch.read())
        done, _ = await asyncio.wait({silence}, timeout=5)
        assert not done, f"the stream ended: {watch.details()}"
        watch.cancel()
        await asyncio.gather(silence, return_exceptions=True)
