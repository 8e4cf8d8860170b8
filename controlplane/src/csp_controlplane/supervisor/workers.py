"""All workers of this machine: handing them to sessions and noticing their ends.

A worker belongs to one session for the rest of its life and is never used again. Keeping spares is
refill.py's business.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Coroutine
from typing import Any

import structlog

from csp_controlplane.domain.ids import new_id
from csp_controlplane.supervisor import pool
from csp_controlplane.supervisor.child import Family
from csp_controlplane.supervisor.demand import Demand
from csp_controlplane.supervisor.logs import ComponentLog, LogFile
from csp_controlplane.supervisor.profiles import spare_spec
from csp_controlplane.supervisor.restarts import counted
from csp_controlplane.supervisor.service import describe
from csp_controlplane.supervisor.settings import SupervisorSettings
from csp_controlplane.supervisor.watchers import Watchers
from csp_controlplane.supervisor.worker import Worker, WorkerCommand, remove_remains, start_worker
from csp_crds.agent import AgentSpec

_log = structlog.get_logger(__name__)

KEPT_FAILURES = 1000
SHARE_S = 1.0
"""How often a start that lasts is asked with how many others it shares the processors."""


class CannotStart(Exception):
    """A session's worker could not be started; the text is for a person."""


class Stopping(Exception):
    """No worker is given out any more: everything is being stopped."""


class Workers:
    """The registry. Lives in the supervisor's loop; nothing here is shared with threads."""

    def __init__(self, command: WorkerCommand, settings: SupervisorSettings, family: Family):
        self.watchers = Watchers()
        self.demand = Demand(AgentSpec(), settings.refill_delay)
        self.changed = asyncio.Event()
        """Set whenever the pool may need something."""
        self._command = command
        self._settings = settings
        self._family = family
        self._log_file = LogFile(command.layout.logs / "workers.log")
        self._workers: dict[str, Worker] = {}
        self._by_session: dict[str, Worker] = {}
        self._failures: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._claiming = asyncio.Lock()
        self._closing = False

    # ---- for sessions ---------------------------------------------------------------------------

    async def claim(self, session_id: str, spec: AgentSpec) -> Worker:
        """The session's worker: the one it has, a spare, or a new one.

        Raises CannotStart, Stopping.
        """
        async with self._claiming:
            present = self._by_session.get(session_id)
            if present is not None:
                return present
            if self._closing:
                raise Stopping
            self._failures.pop(session_id, None)
            now = asyncio.get_running_loop().time()
            self.demand.used(spec, now)
            choice = pool.choose(self.spares(), spec.spawn_profile())
            if choice is None:
                return await self._start_for(session_id, spec)
            worker = self._workers[choice.worker_id]
            worker.warm = choice.fit == "warm"
            self.demand.spare_taken(worker.profile, now)
            self._assign(worker, session_id)
            _log.info("spare claimed", worker_id=worker.id, session_id=session_id, fit=choice.fit)
            return worker

    def of_session(self, session_id: str) -> Worker | None:
        """The live worker, ready or starting. Raises CannotStart when its start failed."""
        worker = self._by_session.get(session_id)
        if worker is None and session_id in self._failures:
            raise CannotStart(self._failures[session_id])
        return worker

    async def release(self, session_id: str, *, purge: bool) -> None:
        """Ends the session's worker. `purge`: its workspace goes too."""
        self._failures.pop(session_id, None)
        worker = self._by_session.get(session_id)
        if worker is not None:
            await self._end(worker)
        if purge:
            workspace = self._command.layout.workspaces / session_id
            await asyncio.to_thread(shutil.rmtree, workspace, ignore_errors=True)

    async def close(self) -> None:
        """Ends all workers at once, each with its deadline."""
        self._closing = True
        workers = list(self._workers.values())
        await asyncio.gather(*(self._end(worker) for worker in workers), return_exceptions=True)
        for task in self._tasks:
            task.cancel()
        self.watchers.close()
        self._log_file.close()

    # ---- for the pool ---------------------------------------------------------------------------

    def spares(self) -> list[pool.Spare]:
        """Workers that no session has and nobody is ending."""
        return [
            pool.Spare(worker.id, worker.profile, worker.ready, worker.started_at)
            for worker in self._workers.values()
            if worker.session_id is None and not worker.deleted and worker.child.alive
        ]

    @property
    def starting_for_sessions(self) -> int:
        return sum(not worker.ready for worker in self._by_session.values())

    @property
    def room(self) -> int:
        """Workers that may still be started."""
        return self._settings.max_workers - len(self._workers)

    @property
    def claimed(self) -> int:
        return len(self._by_session)

    async def start_spare(self, profile: str) -> None:
        """A failure is remembered and shown, not raised."""
        try:
            await self._start(self.demand.spec(profile))
        except CannotStart as error:
            self._spare_failed(profile, str(error))

    def pids(self) -> list[int]:
        return [worker.child.pid for worker in self._workers.values()]

    def by_id(self, worker_id: str) -> Worker:
        """Raises KeyError when it has ended."""
        return self._workers[worker_id]

    def end_spare(self, worker_id: str) -> None:
        worker = self._workers[worker_id]
        worker.deleted = True
        self._task(self._end(worker), f"end-{worker_id}")

    # ---- inside ---------------------------------------------------------------------------------

    async def _start_for(self, session_id: str, spec: AgentSpec) -> Worker:
        if self.room <= 0:
            raise CannotStart(
                f"This machine already runs {len(self._workers)} workers, the most it may "
                "(CSP_SUPERVISOR_MAX_WORKERS). Archive a session, or wait until an idle one "
                "is paused."
            )
        worker = await self._start(spare_spec(spec) or AgentSpec())
        self._assign(worker, session_id)
        _log.info("worker started for session", worker_id=worker.id, session_id=session_id)
        return worker

    def _assign(self, worker: Worker, session_id: str) -> None:
        worker.session_id = session_id
        self._by_session[session_id] = worker
        self.changed.set()

    async def _start(self, spec: AgentSpec) -> Worker:
        worker_id = new_id("wrkr")
        log = ComponentLog("worker", self._log_file)
        try:
            worker = await start_worker(self._command, self._family, log, spec, worker_id)
        except OSError as error:
            await asyncio.to_thread(remove_remains, self._command, worker_id)
            reason = error.strerror or str(error)
            raise CannotStart(f"A worker could not be started: {reason}.") from error
        self._workers[worker.id] = worker
        self._task(self._follow(worker), f"worker-{worker.id}")
        return worker

    async def _follow(self, worker: Worker) -> None:
        """From its start to the last trace of it."""
        getting_ready = asyncio.create_task(self._await_ready(worker), name=f"ready-{worker.id}")
        code = await worker.child.wait()
        getting_ready.cancel()
        session_id = worker.session_id
        self._workers.pop(worker.id, None)
        if session_id is not None and self._by_session.get(session_id) is worker:
            del self._by_session[session_id]
        if not worker.deleted:
            self._ended_unasked(worker, code)
        self.watchers.publish({
            "type": "worker_gone",
            "worker_id": worker.id,
            "session_id": session_id,
            "reason": _reason(worker, code),
            "message": f"The worker ended ({describe(code)}).",
        })  # fmt: skip
        worker.settled.set()
        self.changed.set()
        await self._family.sweep()
        worker.child.close_output()
        await asyncio.to_thread(remove_remains, self._command, worker.id)
        worker.gone.set()

    async def _await_ready(self, worker: Worker) -> None:
        ready = asyncio.create_task(worker.until_ready(), name=f"health-{worker.id}")
        try:
            in_time = await self._in_time(ready)
        finally:
            ready.cancel()
        if not in_time:
            worker.log.line(b"The worker was not ready in time and is ended.", worker_id=worker.id)
            worker.child.kill_tree()
            return
        worker.ready = True
        worker.settled.set()
        if worker.session_id is None and self.demand.spare_ready(worker.profile):
            _log.info("refill works again", profile=worker.profile)
        self.changed.set()

    async def _in_time(self, ready: asyncio.Task[None]) -> bool:
        loop, processors = asyncio.get_running_loop(), os.cpu_count() or 1
        left = self._settings.start_deadline
        step = min(left, SHARE_S)
        while not ready.done() and left > 0:
            began = loop.time()
            await asyncio.wait({ready}, timeout=step)
            starting = sum(not worker.ready for worker in self._workers.values())
            left -= counted(loop.time() - began, starting, processors)
        if ready.done():
            ready.result()
        return ready.done()

    def _ended_unasked(self, worker: Worker, code: int) -> None:
        said = worker.log.tail()
        message = f"A worker ended ({describe(code)}): {said or 'it said nothing'}"
        _log.warning(
            "worker ended", worker_id=worker.id, session_id=worker.session_id, code=code, said=said
        )
        if worker.session_id is None:
            self._spare_failed(worker.profile, message)
        elif not worker.ready:
            # A person reads this; what the worker said is in the log.
            self._failures[worker.session_id] = (
                "The session's worker could not be started. Send a message to try again; whoever "
                f"runs csp finds the cause in {self._log_file.path.name}."
            )
            while len(self._failures) > KEPT_FAILURES:
                del self._failures[next(iter(self._failures))]

    def _spare_failed(self, profile: str, message: str) -> None:
        retry_s = self.demand.spare_failed(profile, message, asyncio.get_running_loop().time())
        _log.warning("refill_failing", profile=profile, error=message, retry_in_s=retry_s)
        self.changed.set()

    async def _end(self, worker: Worker) -> None:
        worker.deleted = True
        await worker.end(self._settings.stop_deadline)
        await asyncio.wait_for(worker.gone.wait(), self._settings.stop_deadline)

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _reason(worker: Worker, code: int) -> str:
    if worker.deleted:
        return "deleted"
    return "killed" if code < 0 else "exited"
