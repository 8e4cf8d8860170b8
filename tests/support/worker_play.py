"""What a worker that the test plays does in most tests: takes a message, starts its turn, types."""

from __future__ import annotations

import asyncio

from csp_proto import worker_pb2 as pb
from support.gateways import Gateways
from support.hostile_worker import HostileWorker, fact
from support.waiting import wait_until


async def worker_of(gateways: Gateways, session: str, nth: int = 1) -> HostileWorker:
    await wait_until(lambda: len(gateways.runtime.workers) >= nth, what="a worker")
    worker = gateways.runtime.workers[nth - 1]
    async with asyncio.timeout(30):
        await worker.attached.wait()
    return worker


async def start_turn(worker: HostileWorker, n: int = 1, turn: str = "sevt_t1") -> str:
    """Takes the next message and starts its turn; returns the message's id."""
    message = await worker.next("input")
    ids = f'"message_ids":["{message.id}"],"message_seqs":[{message.seq}]'
    worker.facts(n, fact(turn, "span.turn_start", ids))
    await worker.next("ack")
    return str(message.id)


def preview(event_id: str, text: str, offset: int) -> pb.Preview:
    payload = f'{{"type":"event_delta","delta":{{"content":{{"text":"{text}"}}}}}}'.encode()
    return pb.Preview(
        event_id=event_id,
        event_type="agent.message",
        kind=pb.Preview.DELTA,
        offset=offset,
        length=len(text.encode()),
        payload=payload,
    )


def opening(event_id: str) -> pb.Preview:
    return pb.Preview(
        event_id=event_id,
        event_type="agent.message",
        kind=pb.Preview.START,
        payload=b'{"type":"event_start"}',
    )
