"""A whole plane in one process: two gateways, workers that come and go, and the real log.

Everything that decides is the product's: keeper, binder, attachment, committer, hub, sender, and
the worker's session with its journal, outbox and turn loop. What is played is the network, the
CLI, the runtime and time.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from csp_controlplane.attach.core import Core, Nobody
from csp_controlplane.attach.keeper import Keeper
from csp_controlplane.attach.settings import CoreSettings
from csp_controlplane.attach.tokens import WorkerTokens
from csp_controlplane.domain.events import EventFactory
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import Conflict
from csp_controlplane.live.hub import Hub
from csp_controlplane.live.subscription import Subscription
from csp_controlplane.proxy.accounts import hash_handle
from csp_controlplane.proxy.ledger import Handle, Ledger
from csp_controlplane.runtime.protocol import NoCapacity, WorkerRef
from csp_controlplane.sessions.sending import Sender, Target
from csp_controlplane.store import sessions
from csp_controlplane.store.appending import Appends
from csp_controlplane.store.database import Database
from csp_controlplane.store.objects import DatabaseObjects
from csp_controlplane.store.sessions import NewSession, SessionRow
from csp_crds.agent import AgentSpec
from csp_worker.ids import new_id
from support.gateways import Metrics
from support.sim.clock import VirtualLoop
from support.sim.link import TO_GATEWAY, Channel, Stream
from support.sim.log import GatedDatabase
from support.sim.steps import Steps
from support.sim.worker import Worker
from support.viewer import Viewer

TENANT = "t1"
WHO = Principal(TENANT, "user_alice")
SETTINGS = CoreSettings(workspace_bytes=0, lease=3600.0, poll=1.0)


class Runtime:
    """Hands out workers. One that is given up lives on until somebody notices."""

    keeps_files = True
    has_pools = False
    pauses_idle = False

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self.current: Worker | None = None

    async def create(self, *_: Any, **__: Any) -> None:
        if self.current is None or not self.current.alive:
            self.current = self._plane.new_worker()

    async def wait_ready(self, session: str, deadline: float) -> WorkerRef:
        found = await self.endpoint(session)
        if found is None:
            raise NoCapacity("the worker is gone")
        return found

    async def endpoint(self, session: str) -> WorkerRef | None:
        worker = self.current
        if worker is None or not worker.alive:
            return None
        return WorkerRef(worker.id, worker.id, False)

    async def discard(self, session: str, worker_id: str) -> None:
        if self.current is not None and self.current.id == worker_id:
            self.current = None

    async def delete(self, session: str) -> None:
        self.current = None

    async def resting(self, session: str) -> None:
        return


@dataclass(frozen=True)
class PlaneCore(Core):
    """Reaches workers without a network."""

    links: Any = None

    def channel(self, endpoint: str) -> Any:
        return self.links(endpoint)


class Gateway:
    """One gateway process, from its start to its death."""

    def __init__(self, plane: Plane, name: str, row: SessionRow) -> None:
        self.name = name
        self._plane = plane
        self.streams: list[Stream] = []
        self.sending: set[asyncio.Task[Any]] = set()
        db = GatedDatabase(plane.pool, plane.loop, plane.steps, name)
        self.core = PlaneCore(
            db, None, plane.runtime, plane.tokens, plane.make, Metrics(), SETTINGS, name,
            DatabaseObjects(db), Appends(db), Nobody(),
            self._channel,
        )  # fmt: skip
        self.hub = Hub(db, TENANT, row.id, row.month, row.last_seq)
        self._sender = Sender(self.core, self)  # type: ignore[arg-type]
        self._keeper: Keeper | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None

    # ---- as its attacher

    def known(self, session: str) -> Hub:
        return self.hub

    async def keep(self, row: SessionRow) -> Hub:
        self.look_after()
        return self.hub

    def look_after(self) -> None:
        """Starts the keeper, or tells it to look again."""
        if self._keeper is not None and self._keeping is not None and not self._keeping.done():
            self._keeper.poke()
            return
        self._keeper = Keeper(self.core, self.hub)
        self._keeping = asyncio.create_task(self._keeper.run(), name=f"{self.name} keeps")

    # ---- its clients

    def watch(self, viewer: Viewer) -> None:
        """A client connects with what it has."""
        have = {event_id: len(text) for event_id, text in viewer.open.items()}
        subscription = Subscription(
            self._plane.db, self.hub, after=viewer.seq, previews=have, max_bytes=2**24
        )
        self._reading = asyncio.create_task(_read(subscription, viewer), name=f"{self.name} shows")

    def send(self, client_id: str, event: dict[str, Any]) -> None:
        task = asyncio.create_task(self._send(client_id, event), name=f"{self.name} accepts")
        self.sending.add(task)

    async def _send(self, client_id: str, event: dict[str, Any]) -> None:
        to = Target.of_hub(self.hub)
        if to is None:
            row = await sessions.load(self.core.db, TENANT, self.hub.session)
            assert row is not None
            to = Target.of_row(row)
        fields = {**event, "client_id": client_id}
        type_ = fields.pop("type")
        try:
            logged = await self._sender.send(WHO, to, [(type_, fields)], keys=[f"c:{client_id}"])
        except Conflict:
            if type_ != "user.tool_confirmation":
                raise
            return  # somebody else was faster, or the question is gone
        self._plane.accepted[client_id] = logged[0].id

    async def catch_up(self) -> None:
        """What the attacher's loops do once in a while."""
        row = await sessions.load(self._plane.db, TENANT, self.hub.session)
        assert row is not None
        await self.hub.catch_up(row.last_seq)
        if row.fold.needs_worker or await sessions.live_binding(
            self._plane.db, TENANT, self.hub.session
        ):
            self.look_after()

    def problems(self) -> list[BaseException]:
        """What its tasks died of."""
        tasks = [self._keeping, self._reading, *self.sending]
        done = [task for task in tasks if task is not None and task.done()]
        return [e for task in done if not task.cancelled() and (e := task.exception()) is not None]

    async def kill(self) -> None:
        """SIGKILL: what it had sent is on its way, everything else is not."""
        tasks = [t for t in (self._keeping, self._reading, *self.sending) if t is not None]
        for task in tasks:
            task.cancel()
        for stream in self.streams:
            stream.sever()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _channel(self, endpoint: str) -> Channel:
        def find() -> Any:
            worker = self._plane.workers.get(endpoint)
            return worker.servicer if worker is not None and worker.alive else None

        def open_stream(servicer: Any, metadata: Any) -> Stream:
            count = sum(stream.name.startswith(f"{self.name}-{endpoint}") for stream in
                        self.streams)  # fmt: skip
            name = f"{self.name}-{endpoint}-{count}"
            stream = Stream(self._plane.steps, name, servicer, metadata)
            if servicer is None:
                stream.sever()
            self.streams.append(stream)
            return stream

        return Channel(find, open_stream)


async def _read(subscription: Subscription, viewer: Viewer) -> None:
    async for frame in subscription:
        if frame.kind == "closed":
            raise AssertionError(f"a client was closed: {frame.code} {frame.reason}")
        viewer._take(json.loads(frame.text))


class Plane:
    """The world of one example."""

    def __init__(
        self, loop: VirtualLoop, db: Database, directory: Path, tokens: WorkerTokens, jwks: Path
    ) -> None:
        self.loop = loop
        self.pool = db
        self.db = GatedDatabase(db, loop)
        self.directory = directory
        self.tokens = tokens
        self.jwks = jwks
        self.make = EventFactory(lambda: datetime.now(UTC), new_id)
        self.steps = Steps()
        self.runtime: Any = Runtime(self)
        self.workers: dict[str, Worker] = {}
        self.gateways: list[Gateway | None] = [None, None]
        self.accepted: dict[str, str] = {}
        """Client ids that were answered, with the event's id."""
        self.session = new_id("sesn")
        self.month = date(2030, 1, 1)
        self.viewers = [Viewer("", self.session, {}) for _ in self.gateways]
        self._born = 0

    async def begin(self) -> None:
        spec = AgentSpec()
        await sessions.insert(
            self.db,
            NewSession(
                self.session, self.month, TENANT, WHO.user_id, {}, spec, None, None, None, None, {},
                Fold(titled=True),
            ),
        )  # fmt: skip
        for place in range(len(self.gateways)):
            await self.start_gateway(place)

    async def admits(self, worker: Worker) -> bool:
        """Whether the CLI's request gets through to the model: the proxy's statement decides."""
        turn = worker.session.turns.current if worker.session else None
        seat = worker.engine.seat
        if turn is None or turn.uuid is None or seat is None:
            return False
        admitted = worker.engine.cli.admitted
        if turn.uuid not in admitted:
            handle = Handle(hash_handle(seat.model_handle), None)
            found = await Ledger(self.db).reserve(handle, new_id("mreq"), "model", 1)
            if found is not None and not found.early:
                admitted.add(turn.uuid)
        return turn.uuid in admitted

    def new_worker(self) -> Worker:
        worker = Worker(new_id("wrkr"), self.directory, self.jwks, self.loop)
        self.workers[worker.id] = worker
        return worker

    async def start_gateway(self, place: int) -> None:
        """One that is down starts; its client comes back."""
        if self.gateways[place] is None:
            row = await sessions.load(self.db, TENANT, self.session)
            assert row is not None
            self._born += 1
            gateway = Gateway(self, f"gateway-{place}.{self._born}", row)
            self.gateways[place] = gateway
            gateway.watch(self.viewers[place])
            gateway.look_after()

    async def kill_gateway(self, place: int, statements_arrive: bool) -> None:
        """`statements_arrive`: the database executes what was just being sent to it."""
        gateway, self.gateways[place] = self.gateways[place], None
        if gateway is None:
            return
        if statements_arrive:
            for point in self.steps.of(gateway.name):
                if point.what.startswith("before"):
                    self.steps.let(point)
            await self.loop.settle()
        await gateway.kill()
        await self.expire_lease(gateway.name)

    async def expire_lease(self, holder: str | None = None) -> None:
        """Its time is over, whether its holder lives or not."""
        async with self.db.tenant(TENANT) as connection:
            await connection.execute(
                "update sessions set lease_until = null where id = $1 and "
                "($2::text is null or lease_holder = $2)",
                self.session,
                holder,
            )

    async def kill_worker(self, worker: Worker, frames_arrive: bool) -> None:
        """`frames_arrive`: gateways get what it had sent before it died."""
        streams = [
            stream
            for gateway in self.gateways
            for stream in (gateway.streams if gateway else ())
            if worker.id in stream.name
        ]
        for stream in streams if frames_arrive else ():
            await self._deliver(stream)
        for stream in streams:
            stream.sever()
        await worker.kill()

    async def _deliver(self, stream: Stream) -> None:
        """Everything that is on its way to the gateway; nothing goes the other way meanwhile."""
        for _ in range(stream.on_its_way):
            for point in self.steps.of(stream.name):
                if point.what.endswith(TO_GATEWAY):
                    self.steps.let(point)
            await self.loop.settle()

    async def lose_sight(self) -> None:
        """The runtime believes that the worker is gone. It is not: its old epoch lives on."""
        self.runtime.current = None
        for gateway in self.gateways:
            if gateway is not None:
                gateway.look_after()

    async def close(self) -> None:
        for place in range(len(self.gateways)):
            await self.kill_gateway(place, False)
        for worker in self.workers.values():
            await worker.kill()
        await self.loop.settle()
