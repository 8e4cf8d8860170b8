"""Brings one AgentPool to what its plan says."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from csp_crds import names
from csp_crds.conditions import PoolCondition, find
from csp_crds.pool import AgentPoolSpec, AgentPoolStatus
from csp_operator.api.errors import ApiError, Away, Conflict, NotFound
from csp_operator.api.resources import PODS, POOLS
from csp_operator.decide.plan import Note
from csp_operator.decide.pool_status import broken_status, pool_status
from csp_operator.decide.pools import Census, PoolFacts, PoolPlan, census, decide_pool
from csp_operator.podspec import Blueprint, warm_pod
from csp_operator.reconcile.core import Core
from csp_operator.store import Name
from csp_operator.surroundings import NoAddress
from csp_operator.views import PodView, PoolView

log = structlog.get_logger(__name__)

_STATUS_EVERY_S = 1.0
_REFUSED_RETRY_S = 10.0
_PROVEN_S = 60.0
_MAKE_TOGETHER = 8
"""Creations that are on their way at once; more would only stand before claims."""

_PATROL_S = 30.0
"""Addresses of Services are looked up now and then; nothing says when they change."""


def _random_suffix() -> str:
    return "".join(secrets.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(8))


@dataclass(slots=True)
class _Memory:
    """What is known of a pool beyond the resources; a restart may forget all of it."""

    hash: str = ""
    surplus_since: float | None = None
    held_since: float | None = None
    failures: int = 0
    failed_at: float = 0.0
    last_failure: str = ""
    counted: set[str] = field(default_factory=set)
    unready: dict[str, float] = field(default_factory=dict)  # since when, by uid
    refused: str = ""
    pending: set[str] = field(default_factory=set)  # names whose creation was not answered
    made: deque[float] = field(default_factory=deque)
    status_at: float = -1e9


class PoolReconciler:
    """`look` may raise ApiError; the queue then asks again."""

    def __init__(self, core: Core, suffix: Callable[[], str] = _random_suffix) -> None:
        self._core = core
        self._suffix = suffix
        self._memories: dict[str, _Memory] = {}
        self._making = asyncio.Semaphore(_MAKE_TOGETHER)

    async def look(self, name: Name) -> None:
        core = self._core
        pool = core.store.pools.get(name)
        if pool is None or pool.deleting:
            return
        memory = self._memories.setdefault(pool.uid, _Memory())
        try:
            plan_of_pods = await core.blueprints.of(pool)
        except (NoAddress, ValueError) as error:
            reason = "ServiceMissing" if isinstance(error, NoAddress) else "Invalid"
            if pool.spec is not None:
                self._report(pool, pool.spec, census(self._pods(pool)))
            await self._write(pool, memory, self._broken(pool, reason, str(error)))
            core.look_at_pool(*name, _REFUSED_RETRY_S)
            return
        if pool.spec is None:
            return
        if memory.hash != plan_of_pods.hash:
            self._memories[pool.uid] = memory = _Memory(
                hash=plan_of_pods.hash, pending=memory.pending
            )
        pods = self._pods(pool)
        self._learn(memory, pods)
        plan = decide_pool(self._facts(pool.spec, memory, plan_of_pods, pods))
        memory.surplus_since, memory.held_since = plan.surplus_since, plan.held_since
        await self._apply(pool, memory, plan, plan_of_pods)
        counts = census(self._pods(pool))
        self._report(pool, pool.spec, counts)
        status = pool_status(
            pool,
            counts,
            plan_of_pods.hash,
            core.clock.now(),
            held_back_s=plan.held_back_s,
            last_failure=memory.last_failure,
            refused=memory.refused,
        )
        await self._write(pool, memory, status)
        again = _PATROL_S if plan.look_again_s is None else max(0.05, plan.look_again_s)
        core.look_at_pool(*name, min(again, _PATROL_S))

    def forget(self, pool: PoolView) -> None:
        self._memories.pop(pool.uid, None)
        for state in ("warm", "starting", "claimed", "wanted"):
            with suppress(KeyError):
                self._core.metrics.pods.remove(pool.namespace, pool.name, state)

    def _pods(self, pool: PoolView) -> list[PodView]:
        """A namesake's pods are not this pool's."""
        return [
            pod
            for pod in self._core.store.pods_of_pool(Name(pool.namespace, pool.name))
            if pod.session_uid or pod.owner_uid == pool.uid
        ]

    def _facts(
        self, spec: AgentPoolSpec, memory: _Memory, plan: Blueprint, pods: list[PodView]
    ) -> PoolFacts:
        clock = asyncio.get_running_loop().time()
        allowance = None
        if spec.refill.per_second is not None:
            while memory.made and clock - memory.made[0] >= 1.0:
                memory.made.popleft()
            allowance = max(0, spec.refill.per_second - len(memory.made))
        return PoolFacts(
            spec=spec,
            hash=plan.hash,
            pods=pods,
            reserved=frozenset(self._core.reserved),
            pending=len(memory.pending),
            now=self._core.clock.now(),
            clock=clock,
            surplus_since=memory.surplus_since,
            failures=memory.failures,
            failed_at=memory.failed_at,
            allowance=allowance,
            unready_since=memory.unready,
            unready_seconds=self._core.settings.unready_seconds,
            arriving=self._core.queue.sessions(),
            held_since=memory.held_since,
            hold_seconds=self._core.settings.refill_hold_seconds,
        )

    def _learn(self, memory: _Memory, pods: list[PodView]) -> None:
        """Counts pods that ended soon; one that lasted proves the template."""
        clock = asyncio.get_running_loop().time()
        unready = {pod.uid for pod in census(pods).unready}
        memory.unready = {uid: memory.unready.get(uid, clock) for uid in unready}
        now = self._core.clock.now()
        for pod in pods:
            age = (now - pod.created).total_seconds()
            if pod.template_hash != memory.hash or pod.uid in memory.counted:
                continue
            if pod.waits and pod.ended and age < _PROVEN_S:
                memory.counted.add(pod.uid)
                memory.failures += 1
                memory.failed_at = asyncio.get_running_loop().time()
                memory.last_failure = pod.ending or "its container ended."
            elif pod.claimable and age >= _PROVEN_S:
                memory.failures = 0
                memory.counted.clear()

    async def _apply(
        self, pool: PoolView, memory: _Memory, plan: PoolPlan, blueprint: Blueprint
    ) -> None:
        core = self._core
        for item in plan.remove:
            if item.pod.uid in core.reserved:
                continue
            if await core.delete_waiting_pod(item.pod, item.why):
                core.store.mark_deleting(item.pod.uid)
        for name in tuple(memory.pending):
            await self._create(pool, memory, blueprint, name)
        wanted = [self._name(pool) for _ in range(plan.create)]
        made = await asyncio.gather(
            *(self._create(pool, memory, blueprint, name) for name in wanted),
            return_exceptions=True,
        )
        failed = [item for item in made if isinstance(item, BaseException)]
        if failed:
            raise failed[0]
        if wanted and not memory.refused:
            log.info("pool_refilled", namespace=pool.namespace, pool=pool.name, pods=len(wanted))

    def _name(self, pool: PoolView) -> str:
        return f"{pool.name[:50].rstrip('-.')}-{self._suffix()}"

    async def _create(
        self, pool: PoolView, memory: _Memory, blueprint: Blueprint, name: str
    ) -> None:
        """An answer that was lost is asked for again under the same name, so that nothing is made
        twice."""
        core = self._core
        memory.pending.add(name)
        try:
            async with self._making:
                made = await core.api.create(PODS, pool.namespace, warm_pod(pool, blueprint, name))
        except Conflict as error:
            memory.pending.discard(name)
            if error.exists:
                core.store.put_pod(await core.api.get(PODS, pool.namespace, name))
            return
        except Away as error:
            if error.known:
                memory.pending.discard(name)
            raise
        except ApiError as error:
            memory.pending.discard(name)
            self._refused(pool, memory, error)
            return
        memory.pending.discard(name)
        memory.refused = ""
        memory.made.append(asyncio.get_running_loop().time())
        core.store.put_pod(made)

    def _refused(self, pool: PoolView, memory: _Memory, error: ApiError) -> None:
        if memory.refused != error.message:
            self._core.notes.say(pool, Note("Warning", "PodsRefused", error.message))
        memory.refused = error.message
        self._core.look_at_pool(pool.namespace, pool.name, _REFUSED_RETRY_S)

    def _broken(self, pool: PoolView, reason: str, message: str) -> AgentPoolStatus:
        self._core.notes.say(pool, Note("Warning", reason, message))
        return broken_status(pool, reason, message, self._core.clock.now())

    def _report(self, pool: PoolView, spec: AgentPoolSpec, counts: Census) -> None:
        numbers = {
            "warm": len(counts.ready),
            "starting": len(counts.starting) + len(counts.unready),
            "claimed": counts.claimed,
            "wanted": spec.scaling.wanted,
        }
        for state, number in numbers.items():
            self._core.metrics.pods.labels(pool.namespace, pool.name, state).set(number)

    async def _write(self, pool: PoolView, memory: _Memory, status: AgentPoolStatus) -> None:
        """At most once a second: a burst of claims is one change of numbers."""
        if _in_order(status) == _in_order(pool.status):
            return
        clock = asyncio.get_running_loop().time()
        rest = memory.status_at + _STATUS_EVERY_S - clock
        if rest > 0:
            self._core.look_at_pool(pool.namespace, pool.name, rest)
            return
        memory.status_at = clock
        body: dict[str, Any] = {
            "apiVersion": names.API_VERSION,
            "kind": names.POOL_KIND,
            "metadata": {"name": pool.name, "namespace": pool.namespace, "uid": pool.uid},
            "status": status.to_resource(),
        }
        try:
            answer = await self._core.api.apply_status(POOLS, pool.namespace, pool.name, body)
        except NotFound:
            return
        self._core.store.put_pool(answer)
        if _trouble(status) != _trouble(pool.status):
            # Whoever waits says why.
            self._core.wake_all_waiting(Name(pool.namespace, pool.name))


def _trouble(status: AgentPoolStatus) -> str:
    """Why no pod comes; nothing while they do."""
    progress = find(status.conditions, PoolCondition.PROGRESSING)
    return progress.message if progress is not None and progress.status == "False" else ""


def _in_order(status: AgentPoolStatus) -> AgentPoolStatus:
    ordered = sorted(status.conditions, key=lambda item: item.type)
    return status.model_copy(update={"conditions": tuple(ordered)})
