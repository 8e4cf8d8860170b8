"""A worker process of its own, and a gateway that a test holds in its hand.

`WorkerProcess` starts `python -m csp_worker` as the supervisor would. `Gateway` speaks its gRPC
service as a control plane would, with a log in memory in place of the database: it commits facts,
acknowledges them (unless told not to), delivers input and keeps every frame that it received.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1 import health_pb2, health_pb2_grpc

from csp_crds.agent import AgentSpec
from csp_proto import worker_pb2 as pb
from csp_proto import worker_pb2_grpc
from support.processes import ServerProcess
from support.waiting import wait_until

MODEL = "claude-sonnet-4-5"
SERVICE = "csp.worker.v1.Worker"
Event = dict[str, Any]


def script(*steps: Mapping[str, Any]) -> str:
    """A prompt that tells the scripted model what to answer, step by step."""
    return f"SCRIPT:{json.dumps(steps)}:END"


def script64(*steps: Mapping[str, Any]) -> str:
    """The same for inside another script: the prompt of a subagent."""
    return f"SCRIPT64:{base64.b64encode(json.dumps(steps).encode()).decode()}:END"


def tool(name: str, **given: Any) -> dict[str, Any]:
    """A step that calls one tool."""
    return {"t": "tool", "tools": [{"name": name, "input": given}]}


def say(text: str, **more: Any) -> dict[str, Any]:
    """A step that answers with text."""
    return {"t": "text", "text": text, **more}


def spec(**fields: Any) -> AgentSpec:
    """An agent definition on the model that the scripted one knows."""
    return AgentSpec.model_validate({"model": MODEL, **fields})


class Signer:
    """The control plane's signing key, and the key set that workers read."""

    def __init__(self, path: Path, kid: str = "test") -> None:
        self.path = path
        self.kid = kid
        self.key = Ed25519PrivateKey.generate()
        public = base64.urlsafe_b64encode(self.key.public_key().public_bytes_raw()).rstrip(b"=")
        jwk = {"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": public.decode(), "use": "sig"}
        path.write_text(json.dumps({"keys": [jwk]}))

    def token(self, worker_id: str, session_id: str, epoch: int, /, **claims: Any) -> str:
        """A fresh token; `claims` replace the right ones."""
        now = int(time.time())
        body = {
            "iss": "csp-controlplane",
            "aud": worker_id,
            "sid": session_id,
            "epoch": epoch,
            "jti": secrets.token_hex(16),
            "iat": now,
            "exp": now + 30,
        }
        return jwt.encode(body | claims, self.key, algorithm="EdDSA", headers={"kid": self.kid})


@dataclass
class Log:
    """What the database would hold of one session: events by seq, and the transcript."""

    events: list[Event] = field(default_factory=list)
    transcript: list[tuple[str, bytes]] = field(default_factory=list)
    claude_session_id: str = ""

    @property
    def last_seq(self) -> int:
        return len(self.events)

    def append(self, event: Event) -> int:
        self.events.append(event)
        return len(self.events)

    def of(self, *types: str) -> list[Event]:
        """Events of these types, in order."""
        return [event for event in self.events if event["type"] in types]

    def text(self) -> str:
        """All that the agent said on the main thread."""
        return "".join(
            block["text"]
            for event in self.of("agent.message")
            if not event.get("parent_tool_use_id")
            for block in event["content"]
        )


class WorkerProcess:
    """One worker. Its directories live in a temporary directory until `close`.

    `workspace_root` may be shared with another worker, as the workers of one machine do.
    """

    def __init__(
        self,
        model_base_url: str,
        agent: AgentSpec | None = None,
        *,
        workspace_root: Path | None = None,
        environment: Mapping[str, str] | None = None,
        interpreter: str = sys.executable,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(
            prefix="csp-worker-", ignore_cleanup_errors=True
        )
        self.directory = Path(self._temporary.name)
        self.workspace_root = workspace_root or self.directory / "workspaces"
        self.worker_id = f"wrkr_{secrets.token_hex(8)}"
        self.endpoint = f"unix:{self.directory}/worker.sock"
        self.signer = Signer(self.directory / "jwks.json")
        self.log = self.directory / "worker.log"
        self.process = ServerProcess(
            [interpreter, "-m", "csp_worker"],
            log=self.log,
            environment={
                "CSP_WORKER_ID": self.worker_id,
                "CSP_WORKER_LISTEN": self.endpoint,
                "CSP_WORKER_JWKS_FILE": str(self.signer.path),
                "CSP_WORKER_HOME": str(self.directory / "home"),
                "CSP_WORKER_WORKSPACE_ROOT": str(self.workspace_root),
                "CSP_WORKER_MODEL_BASE_URL": model_base_url,
                "CSP_WORKER_AGENT_JSON": (agent or spec()).model_dump_json(),
                "CSP_WORKER_LOG_LEVEL": "debug",
                **(environment or {}),
            },
        )

    async def ready(self, deadline: float = 90.0) -> None:
        """Until its health check says that it serves."""
        async with grpc.aio.insecure_channel(self.endpoint) as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            async def serving() -> bool:
                if not self.process.running:
                    raise RuntimeError(f"the worker ended:\n{self.process.tail()}")
                try:
                    answer = await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))
                except grpc.aio.AioRpcError:
                    return False
                return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

            await wait_until(serving, deadline, "the worker serves")

    def close(self) -> None:
        """Ends the process and removes its directories."""
        self.process.stop()
        self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


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
    ) -> None:
        self.worker = worker
        self.log = log if log is not None else Log()
        self.session_id = session_id or f"sesn_{secrets.token_hex(10)}"
        self.epoch = epoch
        self.name = name
        self.handle = f"handle-{self.session_id}-{epoch}"
        self.acks = acks
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
