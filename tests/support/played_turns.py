"""Whole turns of a worker that the test plays, and the files that it has."""

from __future__ import annotations

import hashlib

from csp_proto import worker_pb2 as pb
from support.hostile_worker import HostileWorker, fact
from support.worker_play import start_turn

TOOL = (
    ("agent.tool_use", '"name":"Bash","input":{}'),
    ("agent.tool_result", '"tool_use_id":"%s"'),
)


class Turns:
    """Their facts are numbered from the one `after` which they come."""

    def __init__(self, worker: HostileWorker, after: int = 0) -> None:
        self._worker = worker
        self._n = after

    async def begin(self) -> None:
        """Takes the next message."""
        self._n += 1
        await start_turn(self._worker, self._n, self._id(self._n))

    async def say(self, *facts: tuple[str, str]) -> None:
        """Until these are in the log: types with further fields."""
        for type_, rest in facts:
            self._n += 1
            rest = rest.replace("%s", self._id(self._n - 1))
            self._worker.facts(self._n, fact(self._id(self._n), type_, rest))
        while (await self._worker.next("ack")).n < self._n:
            pass

    def _id(self, n: int) -> str:
        return f"sevt_{self._worker.worker_id}x{n}"

    async def play(self, *between: tuple[str, str]) -> None:
        """A whole turn, until its end is in the log."""
        await self.begin()
        await self.say(*between, ("span.turn_end", '"outcome":"completed"'))


def has(worker: HostileWorker, content: bytes, *left_out: pb.LeftOut) -> None:
    """The worker's directory holds one file; its fingerprint is the content."""
    head = pb.WorkspaceManifest(
        fingerprint=content.decode(),
        pieces=[hashlib.sha256(content).digest()],
        files=1,
        left_out=left_out,
        left_out_count=len(left_out),
    )
    worker.workspace = [head, pb.WorkspaceManifest(data=b"list of " + content)]
    worker.pieces = [content]
