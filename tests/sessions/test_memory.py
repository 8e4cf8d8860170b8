"""What a killed worker's mirror had not delivered is said when the next worker lacks it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from csp_proto import worker_pb2 as pb
from support.gateways import Gateways
from support.hostile_worker import HostileWorker, fact
from support.sessions import new_session, say, watching
from support.worker_play import worker_of

PROMPT = "0b0b0b0b-0000-4000-8000-000000000001"


def line(type_: str, uuid: str, content: Any = "hello") -> dict[str, Any]:
    return {"type": type_, "uuid": uuid, "message": {"role": type_, "content": content}}


ASKED = line("user", PROMPT)
ANSWERED = line("assistant", "a", [{"type": "text", "text": "well"}])


async def turn(worker: HostileWorker, *lines: dict[str, Any]) -> None:
    """A turn with one answer, of which the mirror delivers these lines."""
    message = await worker.next("input")
    ids = f'"message_ids":["{message.id}"],"message_seqs":[{message.seq}]'
    facts = [
        fact("sevt_1", "span.turn_start", f'{ids},"prompt_uuid":"{PROMPT}"'),
        fact("sevt_2", "agent.message", '"content":[{"type":"text","text":"well"}]'),
        fact("sevt_3", "span.turn_end", '"outcome":"completed"'),
    ]
    body = [pb.Fact(id=i, type=t, payload=p) for i, t, p in facts]
    entries = [pb.TranscriptEntry(entry=json.dumps(one).encode()) for one in lines]
    worker.say(pb.WorkerFrame(facts=pb.Facts(first_n=1, facts=body, transcript=entries)))
    while (await worker.next("ack")).n < len(facts):
        pass


@pytest.mark.parametrize(
    ("delivered", "lost"),
    [
        ([ASKED, ANSWERED], None),
        ([ASKED], {"prompts": 0, "answers": 1, "repaired": False}),
        ([], {"prompts": 1, "answers": 0, "repaired": False}),
    ],
    ids=["all", "no-answer", "nothing"],
)
async def test_a_gap_is_said_once_by_the_worker_that_has_it(
    gateways: Gateways, delivered: list[dict[str, Any]], lost: dict[str, Any] | None
) -> None:
    service = await gateways.start()
    session = (await new_session(service)).id
    async with watching(service, session) as watcher:
        worker = await worker_of(gateways, session)
        await say(service, session, "hello")
        await turn(worker, *delivered)
        await gateways.runtime.kill(session)
        await worker_of(gateways, session, 2)
        if lost is not None:
            gap = await watcher.until("session.notice", code="transcript_gap")
            assert gap["data"] == lost
        await gateways.runtime.kill(session)
        await worker_of(gateways, session, 3)
        codes = [event.get("code") for event in watcher.events]
        assert codes.count("transcript_gap") == (lost is not None)
