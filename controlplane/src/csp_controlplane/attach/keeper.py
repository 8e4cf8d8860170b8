"""Keeps one session alive in this gateway: attached while it has a worker, bound when it needs one.

A keeper is level-triggered. Each round it reads what is (row, binding, worker), does the one thing
that is missing, and waits for the next change. Attaching needs no permission; binding and declaring
a worker lost need the session's lease.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog

from csp_controlplane.attach import lifecycle, resting
from csp_controlplane.attach.attachment import Attachment, End
from csp_controlplane.attach.binder import BindFailed, bind
from csp_controlplane.attach.core import Core, spawn
from csp_controlplane.domain.events import LoggedEvent
from csp_controlplane.domain.vocabulary import MAX_PARTIAL_BYTES
from csp_controlplane.live.frames import DELETED
from csp_controlplane.live.hub import Hub
from csp_controlplane.live.wakeup import Wakeup
from csp_controlplane.runtime.protocol import RuntimeUnavailable
from csp_controlplane.store import sessions
from csp_controlplane.store.database import DATABASE_AWAY
from csp_controlplane.store.sessions import Binding, SessionRow

log = structlog.get_logger(__name__)

BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S = 10.0
"""A stream that lasted so long was no failed attempt at one."""
GONE_S = 5.0
"""How often it is looked whether the stream of a worker that is gone is still needed."""
LOST = "The session's worker stopped unexpectedly. A new one is being prepared."


class Keeper:
    """One task per session and gateway. `poke` makes it look again at once."""

    def __init__(self, core: Core, hub: Hub) -> None:
        self._core = core
        self._hub = hub
        self._poked = Wakeup()
        self._failures = 0
        self._last_failure = ""
        self._attachment: Attachment | None = None
        self._letting_go: set[asyncio.Task[Any]] = set()
        self.holds_lease = False

    def poke(self) -> None:
        """Something has changed that may need a worker."""
        self._failures = 0
        self._poked.set()

    def worker_gone(self) -> None:
        """The runtime says so. The stream tells by itself what becomes of it, unless its worker
        lives on where the runtime cannot see it: it is let go when nobody needs it."""
        self.poke()
        attachment = self._attachment
        if attachment is not None and not self._letting_go:
            spawn(self._letting_go, self._let_go(attachment), f"keeper-let-go-{self._hub.session}")

    async def _let_go(self, attachment: Attachment) -> None:
        """As soon as the stream's epoch is over or its session rests, so that the next message
        finds a worker. The log says when that is."""
        grown = Wakeup()

        def on_events(_: Sequence[LoggedEvent]) -> None:
            grown.set()

        self._hub.listen(on_events)
        try:
            while True:
                grown.clear()
                with suppress(*DATABASE_AWAY):
                    if await self._serves_nobody(attachment):
                        attachment.release()
                        return
                with suppress(TimeoutError):
                    async with asyncio.timeout(GONE_S):
                        await grown.wait()
        finally:
            self._hub.unlisten(on_events)

    async def _serves_nobody(self, attachment: Attachment) -> bool:
        core, hub = self._core, self._hub
        row = await sessions.load(core.db, hub.tenant, hub.session)
        binding = await sessions.live_binding(core.db, hub.tenant, hub.session)
        over = binding is None or binding.epoch != attachment.epoch
        return over or row is None or row.fold.at_rest

    @property
    def attached(self) -> bool:
        return self._attachment is not None

    def release(self) -> None:
        """Lets the worker go, e.g. because the gateway stops."""
        if self._attachment is not None:
            self._attachment.release()

    async def run(self) -> None:
        """Until nothing in this gateway needs the session any more, or it has ended."""
        try:
            while await self._round():
                pass
        except lifecycle.SessionGone:
            self._hub.close(DELETED, "This session was deleted.")
        finally:
            if self.holds_lease:
                with suppress(*DATABASE_AWAY):
                    await sessions.drop_lease(
                        self._core.db, self._hub.tenant, self._hub.session, self._core.holder
                    )

    async def _round(self) -> bool:
        try:
            self._poked.clear()
            try:
                step = await self._look()
            except BindFailed as error:
                await self._wait_after_failure(str(error))
                return True
            if isinstance(step, Binding):
                await self._settle(step, await self._attach(step))
                return True
            return step
        except (*DATABASE_AWAY, RuntimeUnavailable) as error:
            log.warning("keeper_waits", session_id=self._hub.session, error=str(error))
            await self._wait(BACKOFF_S[min(self._failures, 3)])
            self._failures += 1
        return True

    async def _look(self) -> Binding | bool:
        """One round: what to attach to, or False when there is nothing left to do here.

        It returns before the stream begins, so that nothing it has read is held for as long.
        """
        core, hub = self._core, self._hub
        row = await sessions.load(core.db, hub.tenant, hub.session)
        if row is None:
            raise lifecycle.SessionGone(hub.session)
        if row.fold.at_rest:
            return False
        self.holds_lease = await sessions.take_lease(
            core.db, hub.tenant, hub.session, core.holder, core.settings.lease
        )
        binding = await sessions.live_binding(core.db, hub.tenant, hub.session)
        if binding is not None and await self._alive(binding):
            return binding
        if not self.holds_lease:
            await self._wait(core.settings.poll)
            return True
        if binding is not None or row.fold.turn is not None:
            epoch = binding.epoch if binding else row.epoch
            await self._lose(epoch, "worker_gone", LOST, binding.worker_id if binding else None)
            return True
        return await self._bind(row)

    async def _alive(self, binding: Binding) -> bool:
        ref = await self._core.runtime.endpoint(self._hub.session)
        return ref is not None and ref.worker_id == binding.worker_id

    async def _bind(self, row: SessionRow) -> Binding | bool:
        bound = await bind(self._core, self._hub, row)
        if bound is None:
            return True
        self._failures = 0
        self._last_failure = ""
        return bound.binding

    async def _attach(self, binding: Binding) -> End:
        self._attachment = Attachment(self._core, self._hub, binding, leads=self.holds_lease)
        began = time.monotonic()
        try:
            return await self._attachment.run()
        finally:
            self._attachment = None
            for task in tuple(self._letting_go):
                task.cancel()
            if time.monotonic() - began >= STEADY_S:
                self._failures = 0

    async def _settle(self, binding: Binding, end: End) -> None:
        """What an attachment's end means for the binding."""
        hub = self._hub
        log.info("attachment_ended", session_id=hub.session, kind=end.kind, reason=end.message)
        if end.kind == "released":
            return
        current = await sessions.live_binding(self._core.db, hub.tenant, hub.session)
        if current is None or current.epoch != binding.epoch:
            hub.withdraw_all()
            return  # ended by somebody on purpose: paused, replaced, deleted
        if end.kind == "lost" and await self._alive(binding):
            await self._retry_stream(binding)
            return
        if not self.holds_lease:
            hub.withdraw_all()
            return
        if end.expected:
            await self._let_end(binding, end.message)
            return
        message = end.message if end.kind == "ended" else LOST
        await self._lose(binding.epoch, end.kind, message, binding.worker_id)

    async def _let_end(self, binding: Binding, message: str) -> None:
        core, hub = self._core, self._hub
        if await resting.follow_rest(core, hub):
            return
        await lifecycle.worker_ended(core, hub, binding.epoch, message)
        hub.withdraw_all()
        await core.runtime.discard(hub.session, binding.worker_id)

    async def _retry_stream(self, binding: Binding) -> None:
        """The worker's process lives but the stream broke: frozen for long means replaced."""
        self._failures += 1
        if self._failures > 3 and self.holds_lease:
            self._failures = 0
            await self._lose(binding.epoch, "unreachable", LOST, binding.worker_id)
            return
        await self._wait(BACKOFF_S[self._failures % len(BACKOFF_S)])

    async def _lose(
        self, epoch: int, reason: str, message: str, worker_id: str | None = None
    ) -> None:
        if await resting.follow_rest(self._core, self._hub):
            return
        partial = self._hub.previews.partial_texts(MAX_PARTIAL_BYTES)
        await lifecycle.lose_worker(
            self._core, self._hub, epoch, reason=reason, message=message, partial=partial
        )
        self._hub.withdraw_all()  # a turn that never came into the log has no end to do it
        if worker_id is not None:
            await self._core.runtime.discard(self._hub.session, worker_id)

    async def _wait_after_failure(self, message: str) -> None:
        if message != self._last_failure:
            self._last_failure = message
            await lifecycle.say_bind_failed(self._core, self._hub, message)
        await self._wait(BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)])
        self._failures += 1

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._poked.wait()
