"""A memory with a hole: a new worker remembers what is on both sides of it."""

from __future__ import annotations

import json

from csp_worker.transcript import linked
from support.memory_log import Log
from support.worker_client import Gateway, ModelRequests, WorkerProcess, say, script
from worker.conftest import NewGateway, NewWorker


def without(log: Log, text: str) -> None:
    """The mirror has not delivered the lines that have this text."""
    before = len(log.transcript)
    log.transcript = [line for line in log.transcript if text.encode() not in line[1]]
    assert len(log.transcript) < before


async def test_a_line_that_was_lost_takes_no_earlier_ones_along(
    gateway: Gateway,
    worker: WorkerProcess,
    new_worker: NewWorker,
    new_gateway: NewGateway,
    model_requests: ModelRequests,
) -> None:
    await gateway.turn("My name is Ada. " + script(say("noted")))
    await gateway.turn("I like tea. " + script(say("LOST")))
    await gateway.turn("I have a cat. " + script(say("it purrs")))
    worker.process.kill()
    without(gateway.log, '"text":"LOST"')
    second = new_worker(workspace_root=worker.workspace_root)
    await second.ready()
    heir = new_gateway(second, gateway.log, session_id=gateway.session_id, epoch=2)
    await heir.open(input_cursor=gateway.log.last_seq)
    await heir.turn("Who am I? " + script(say("Ada")))
    heard = str((await model_requests(heir))[-1]["messages"])
    for known in ("My name is Ada.", "noted", "I like tea.", "I have a cat.", "it purrs"):
        assert known in heard, known


def test_what_is_whole_stays_as_it_was() -> None:
    first = b'{"uuid":"1","parentUuid":null, "odd":  1}'
    rest = [
        b'{"uuid":"2","parentUuid":"1"}',
        b'{"type":"summary"}',
        b'{"uuid":"3","parentUuid":"4"}',
        b'{"uuid":"4","parentUuid":"2"}',
    ]
    assert linked([first, *rest]) == [first, *rest]
    lost = linked([first, *rest[1:]])
    assert lost[:3] == [first, *rest[1:3]]
    assert json.loads(lost[3]) == {"uuid": "4", "parentUuid": "3"}
