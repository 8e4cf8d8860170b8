"""A gateway that a test holds in its hand.

`Gateway` speaks a worker's gRPC service as a control plane would, with a log in memory in place of
the database: it commits facts, acknowledges them (unless told not to), delivers input and keeps
every frame that it received.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import grpc.aio
import httpx

from csp_crds.agent import AgentSpec
from csp_proto import worker_pb2 as pb
from csp_proto import worker_pb2_grpc
from support.memory_log import Event, Log
from support.scripts import MODEL, say, script, script64, spec, tool
from support.worker_process import Signer, WorkerProcess

__all__ = [
    "MODEL", "Event", "Gateway", "Log", "ModelRequests", "Signer", "WorkerProcess", "say", "script",
    "script64", "spec", "tool",
]  # fmt: skip


class Gateway:
    """One gateway's side of one session on one worker."""

    def __init__(
        self,
        worker: WorkerProcess,
        log: Log | None = None,
        *,
        session_id: str | None = None,
        epoch: int = 1,
        name: str = "gateway",
        acks: bool = True,
        hangs_up: bool = True,
    ) -> None:
        self.worker = worker
        self.log = log if log is not None else Log()
        self.session_id = session_id or f"sesn_{secrets.token_hex(10)}"
        self.epoch = epoch
        self.name = name
        self.handle = f"handle-{self.session_id}-{epoch}"
        self.acks = acks
        self.hangs_up = hangs_up
        self.frames: list[pb.WorkerFrame] = []
        self.writer = False
        self.committed_n = 0
        self.ended: str | None = None
        self._changed = asyncio.Condition()
        self._outgoing: asyncio.Queue[pb.GatewayFrame] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._channel = grpc.aio.insecure_channel(
            worker.endpoint,
            options=[
                ("grpc.max_receive_message_length", 64 * 1024**2),
                ("grpc.max_send_message_length", 64 * 1024**2),
            ],
        )
        self.stub = worker_pb2_grpc.WorkerStub(self._channel)

    # ---- calls ----------------------------------------------------------------------------------

    def metadata(self, **claims: Any) -> tuple[tuple[str, str], ...]:
        """A token for one call."""
        token = self.worker.signer.token(
            self.worker.worker_id, self.session_id, self.epoch, **claims
        )
        return (("authorization", f"Bearer {token}"),)

    def bind_request(self, agent: AgentSpec | None = None, **fields: Any) -> pb.BindRequest:
        return pb.BindRequest(
            session_id=self.session_id,
            epoch=self.epoch,
            tenant="default",
            agent_json=(agent or spec()).model_dump_json(),
            **{"model_handle": self.handle, **fields},
        )

    async def bind(self, agent: AgentSpec | None = None, **fields: Any) -> pb.BindResponse:
        """Binds, and resumes from the log's transcript if it has one."""
        if self.log.transcript and "transcript" not in fields:
            fields["transcript"] = [
                pb.TranscriptEntry(subpath=subpath, entry=entry)
                for subpath, entry in self.log.transcript
            ]
            fields["claude_session_id"] = self.log.claude_session_id
        answer = await self.stub.Bind(
            self.bind_request(agent, **fields), metadata=self.metadata(), timeout=60
        )
        self.log.claude_session_id = answer.claude_session_id
        return answer

    async def attach(self, can_write: bool = True) -> Self:
        """Opens the stream; returns when the worker has greeted."""
        hello = pb.AttachHello(gateway_id=self.name, can_write=can_write)
        self._outgoing.put_nowait(pb.GatewayFrame(hello=hello))
        self._task = asyncio.create_task(self._run(), name=self.name)
        await self.until(lambda: bool(self.frames) or self.ended is not None, what="hello")
        return self

    async def open(self, agent: AgentSpec | None = None, **fields: Any) -> Self:
        """Bind and attach."""
        await self.bind(agent, **fields)
        return await self.attach()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._channel.close()

    # ---- input ----------------------------------------------------------------------------------

    def send(self, event_type: str, **fields: Any) -> Event:
        """Commits an event of the control plane to the log and delivers it."""
        event = {"id": f"sevt_{secrets.token_hex(10)}", "type": event_type, **fields}
        seq = self.log.append(event)
        self.deliver(seq, event)
        return event

    def deliver(self, seq: int, event: Event) -> None:
        """Delivers an event that is in the log."""
        item = pb.Input(
            seq=seq, id=event["id"], type=event["type"], payload=json.dumps(event).encode()
        )
        self._outgoing.put_nowait(pb.GatewayFrame(input=item))

    def message(self, text: str | list[dict[str, Any]]) -> Event:
        """A person's message."""
        content = [{"type": "text", "text": text}] if isinstance(text, str) else text
        return self.send("user.message", content=content, user_id="user_test")

    def confirm(self, tool_use: Event, result: str = "allow", **fields: Any) -> Event:
        """A person's answer to a tool call that asks."""
        return self.send(
            "user.tool_confirmation", tool_use_id=tool_use["id"], result=result, **fields
        )

    def ack(self, n: int | None = None) -> None:
        """Acknowledges what is committed; for gateways that do not by themselves."""
        ack = pb.Ack(n=self.committed_n if n is None else n, last_seq=self.log.last_seq)
        self._outgoing.put_nowait(pb.GatewayFrame(ack=ack))

    # ---- waiting --------------------------------------------------------------------------------

    async def until(
        self, predicate: Callable[[], Any], deadline: float = 40.0, what: str = "the condition"
    ) -> Any:
        """Until the predicate holds; asked again whenever a frame has arrived."""
        async with self._changed:
            try:
                async with asyncio.timeout(deadline):
                    await self._changed.wait_for(lambda: predicate())
            except TimeoutError:
                types = [event["type"] for event in self.log.events]
                raise AssertionError(
                    f"{what} did not happen in {deadline:g} s; log: {types}; "
                    f"worker:\n{self.worker.process.tail(40)}"
                ) from None
        return predicate()

    async def event(self, event_type: str, count: int = 1, deadline: float = 40.0) -> Event:
        """The count-th event of a type."""
        await self.until(
            lambda: len(self.log.of(event_type)) >= count, deadline, f"{event_type} no. {count}"
        )
        return self.log.of(event_type)[count - 1]

    async def turn(self, text: str | list[dict[str, Any]], deadline: float = 40.0) -> Event:
        """Sends a message and returns the end of its turn."""
        return await self.turn_end(self.message(text), deadline)

    async def turn_end(self, message: Event, deadline: float = 40.0) -> Event:
        """The end of a message's turn."""

        def found() -> Event | None:
            for event in self.log.of("span.turn_end"):
                if message["id"] in event["message_ids"]:
                    return event
            return None

        end: Event = await self.until(found, deadline, "the end of the turn")
        return end

    @property
    def previews(self) -> list[pb.Preview]:
        """Every preview so far."""
        return [p for frame in self.frames for p in frame.previews.previews]

    # ---- frames ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        stream = self.stub.Attach(metadata=self.metadata())
        writing = asyncio.create_task(self._write(stream), name=f"{self.name}-write")
        try:
            # Anything else is the end of the stream.
            while isinstance(frame := await stream.read(), pb.WorkerFrame):
                await self._take(frame)
                if frame.HasField("ending") and self.hangs_up:
                    await stream.done_writing()
            self.ended = (await stream.code()).name
        except grpc.aio.AioRpcError as error:
            self.ended = error.code().name
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            stream.cancel()
        async with self._changed:
            self._changed.notify_all()

    async def _write(self, stream: Any) -> None:
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                await stream.write(await self._outgoing.get())

    async def _take(self, frame: pb.WorkerFrame) -> None:
        kind = frame.WhichOneof("frame")
        if kind == "role":
            self.writer = frame.role.writer
            if self.writer:
                self.committed_n = max(self.committed_n, frame.role.next_n - 1)
        elif kind == "facts" and self.acks:
            self.commit(frame.facts)
        async with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()

    def commit(self, facts: pb.Facts) -> None:
        """Puts a batch into the log and acknowledges it; what is there already is left out."""
        last = facts.first_n + len(facts.facts) - 1
        if facts.first_n == self.committed_n + 1:
            for fact in facts.facts:
                start = f'{{"id":"{fact.id}","type":"{fact.type}"'.encode()
                assert fact.payload.startswith(start), fact.payload[:200]
                assert len(fact.payload) <= 1_000_000
                self.log.append(json.loads(fact.payload))
            self.log.transcript += [(line.subpath, line.entry) for line in facts.transcript]
            self.committed_n = last
        else:
            assert last <= self.committed_n, (facts.first_n, self.committed_n)
        self.ack()


class ModelRequests:
    """What the scripted model was asked, in order, by the CLI behind one gateway."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    async def __call__(self, gateway: Gateway) -> list[dict[str, Any]]:
        """Requests for messages; other gateways' are left out by their handle."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{self._base_url}/_requests")
        handle = gateway.handle
        return [
            entry
            for entry in answer.json()
            if entry["path"] == "/v1/messages" and entry["headers"].get("x-api-key") == handle
        ]
