"""Keeps a session's working directory as checkpoints while its worker works.

A checkpoint that cannot be made costs files, never the conversation. It is tried again, and the log
says from when on files are at risk, and when they no longer are.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import grpc.aio
import structlog

from csp_controlplane.attach import lifecycle
from csp_controlplane.attach.checkpoint import NotKept, keeps, save, words
from csp_controlplane.attach.collecting import collect
from csp_controlplane.attach.core import Core
from csp_controlplane.live.hub import Hub
from csp_controlplane.live.wakeup import Wakeup
from csp_controlplane.store import checkpoints, notices
from csp_controlplane.store.database import DATABASE_AWAY
from csp_controlplane.store.objects import ObjectsAway
from csp_controlplane.store.sessions import Binding

log = structlog.get_logger(__name__)

COLLECT_EVERY = 20
SETTLE_S = 1.0
LONGEST_SETTLE_S = 30.0
"""After turns without a tool nothing has changed, most likely: looking can wait until the person
pauses, because it costs the worker time that the next turn would miss."""
AGAIN_S = 15.0
BEHIND, KEPT = "workspace_behind", "workspace_kept"


class Archiver:
    """Makes checkpoints for one attachment's worker, one at a time."""

    def __init__(self, core: Core, hub: Hub, binding: Binding) -> None:
        self._core = core
        self._hub = hub
        self._binding = binding
        self._wanted = 0
        self._settled_at = 0.0
        self._hurry = Wakeup()
        self._saved = 0
        self._looked = False
        self._running = False
        self._one = asyncio.Lock()
        self._behind: bool | None = None
        """Whether the log says that files are not kept; None: it has not been read."""

    def wants(self, seq: int, *, at_once: bool) -> bool:
        """A turn has ended; its end is the log's `seq`. Whether `run` is to be started for it.

        `at_once`: tools have run, so that this turn's files are not the next one's. The first turn
        does not wait either: what there was before any tool is what files can be taken back to.
        """
        self._wanted = seq
        self._settled_at = asyncio.get_running_loop().time() + SETTLE_S
        if at_once or not self._looked:
            self._hurry.set()
        starts = keeps(self._core) and not self._running
        self._running = self._running or starts
        return starts

    async def run(self) -> None:
        """Until the newest turn is kept. Never raises: the attachment does not depend on it."""
        try:
            while self._wanted:
                await self._settle()
                self._hurry.clear()
                seq, self._wanted = self._wanted, 0
                if not await self._save(seq):
                    self._wanted = self._wanted or seq
                    self._settled_at = asyncio.get_running_loop().time() + AGAIN_S
        finally:
            self._running = False

    async def last(self) -> None:
        """The worker is about to end: what it has changed is kept now, or never. Never raises.

        Who released the worker may be looking, too: it stays for both.
        """
        if not keeps(self._core):
            return
        hub, epoch = self._hub, self._binding.epoch
        with suppress(*DATABASE_AWAY):
            if await checkpoints.wanted_of(self._core.db, hub.tenant, hub.session, epoch):
                await self._save(hub.shown)

    async def _settle(self) -> None:
        loop = asyncio.get_running_loop()
        longest = loop.time() + LONGEST_SETTLE_S
        while not self._hurry.is_set():
            left = min(self._settled_at, longest) - loop.time()
            if left <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._hurry.wait()

    async def _save(self, seq: int) -> bool:
        """False: it has to be tried again."""
        hub = self._hub
        try:
            async with self._one:
                saved = await save(self._core, hub, self._binding, seq)
                self._looked = True
                await self._say_that_kept()
            if saved is not None:
                self._saved += 1
                if self._saved % COLLECT_EVERY == 0:
                    await self._collect()
        except (TimeoutError, NotKept, ObjectsAway) as error:
            log.warning("workspace_not_saved", session_id=hub.session, error=words(error))
            await self._say_that_behind()
            return False
        except DATABASE_AWAY as error:
            log.warning("workspace_not_saved", session_id=hub.session, error=words(error))
            return False
        except (grpc.aio.AioRpcError, lifecycle.SessionGone) as error:
            # The worker has ended, or must: its loss is said by who notices it.
            log.warning("workspace_not_saved", session_id=hub.session, error=words(error))
        except Exception:  # the next turn's end tries again
            log.exception("workspace_not_saved", session_id=hub.session)
        return True

    async def _say_that_behind(self) -> None:
        core, hub = self._core, self._hub
        with suppress(*DATABASE_AWAY, lifecycle.SessionGone):
            if await self._is_behind():
                return
            newest = await checkpoints.newest(core.db, hub.tenant, hub.session)
            since = newest.saved_at if newest else None
            of = f"the last copy is of {since:%Y-%m-%d %H:%M:%S} UTC" if since else "there is none"
            text = (
                f"The files of this session could not be kept: {of}. csp keeps trying and says "
                "when they are kept again. Until then, what was changed is lost if the session's "
                "server is."
            )
            data = {"since": since.isoformat() if since else None}
            await lifecycle.say(core, hub, BEHIND, "warning", text, data)
            self._behind = True

    async def _say_that_kept(self) -> None:
        if await self._is_behind():
            text = "The files of this session are kept again."
            await lifecycle.say(self._core, self._hub, KEPT, "info", text)
            self._behind = False

    async def _is_behind(self) -> bool:
        if self._behind is None:
            hub = self._hub
            said = await notices.newest(self._core.db, hub.tenant, hub.session, (BEHIND, KEPT))
            self._behind = said == BEHIND
        return self._behind

    async def _collect(self) -> None:
        try:
            await collect(self._core, self._hub.tenant, self._hub.session)
        except ObjectsAway as error:  # doomed they are; the hourly round goes on with it
            log.warning("objects_not_removed", session_id=self._hub.session, error=str(error))
