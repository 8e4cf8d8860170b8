"""The seam between the control plane and whatever runs workers: processes here, pods on Kubernetes.

A runtime knows sessions and workers, nothing of logs, epochs or the worker's gRPC service. One
conformance suite runs over every implementation (tests/runtime).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from csp_crds.agent import AgentSpec


class RuntimeUnavailable(Exception):
    """The runtime did not answer; the call may be repeated."""


class RuntimeStopping(RuntimeUnavailable):
    """It is being stopped and gives out no more workers: no trouble that a person is told of."""


class NoCapacity(Exception):
    """No worker could be started; the text says why in words for a person."""


@dataclass(frozen=True, slots=True)
class WorkerRef:
    """A worker that belongs to one session for the rest of its life."""

    worker_id: str  # unique for ever: a process's random id, or the pod's UID
    endpoint: str  # gRPC target, e.g. unix:/run/... or 10.0.0.7:7443
    warm: bool  # a spare of the right profile was claimed


@dataclass(frozen=True, slots=True)
class WorkerGone:
    """A worker's process or pod has ended."""

    worker_id: str
    session_id: str | None
    reason: Literal["exited", "killed", "deleted", "lost"]
    message: str


class SessionRuntime(Protocol):
    """Workers for sessions. Every call is idempotent."""

    @property
    def keeps_files(self) -> bool:
        """Whether a session's next worker finds the files of the last one."""

    @property
    def has_pools(self) -> bool:
        """Whether sessions can ask for a pool."""

    @property
    def pauses_idle(self) -> bool:
        """Whether the runtime decides when a session has been idle for too long."""

    async def create(
        self,
        session_id: str,
        tenant: str,
        spec: AgentSpec,
        *,
        owner: str = "",
        pool: str | None = None,
    ) -> None:
        """Asks for a worker: a spare is claimed or a cold one starts. A live one is kept.

        `owner` is the user's id, for whoever looks at the workers from outside. `pool` is where a
        new worker comes from, where the runtime has pools; None: from its own choice.
        """

    async def wait_ready(self, session_id: str, deadline_s: float) -> WorkerRef:
        """Until the session's worker answers its health check.

        Raises NoCapacity when it cannot, TimeoutError at the deadline.
        """

    async def endpoint(self, session_id: str) -> WorkerRef | None:
        """The session's live worker, if it has one."""

    async def delete(self, session_id: str) -> None:
        """The session rests: its worker ends with everything it started. Its files stay for the
        next one, where the runtime keeps files at all."""

    async def discard(self, session_id: str, worker_id: str) -> None:
        """This worker is used up and ends; the session goes on with another. One that has been
        replaced already is left alone."""

    async def resting(self, session_id: str) -> Literal["idle", "suspended"] | None:
        """Whether somebody on the runtime's side has put the session to rest."""

    async def purge(self, session_id: str) -> None:
        """The same for a session that is deleted: its files go as well."""

    def watch(self) -> AsyncIterator[WorkerGone]:
        """Ends of workers as they happen; may repeat, may miss some while disconnected."""
        ...
