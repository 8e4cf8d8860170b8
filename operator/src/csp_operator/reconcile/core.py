"""What every reconciler works with."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from csp_operator.api.client import KubeApi
from csp_operator.api.errors import Conflict, NotFound
from csp_operator.api.resources import PODS
from csp_operator.clock import ServerClock
from csp_operator.decide.pool_status import trouble_of
from csp_operator.metrics import OperatorMetrics
from csp_operator.notes import Notes
from csp_operator.queue import Key, WorkQueue
from csp_operator.settings import OperatorSettings
from csp_operator.store import Change, Name, Store
from csp_operator.surroundings import Blueprints
from csp_operator.views import PodView, PoolView, SessionView


@dataclass(frozen=True, slots=True)
class Core:
    settings: OperatorSettings
    api: KubeApi
    store: Store
    queue: WorkQueue
    clock: ServerClock
    metrics: OperatorMetrics
    notes: Notes
    blueprints: Blueprints
    reserved: set[str] = field(default_factory=set)
    """UIDs of warm pods that a claim is at work on."""
    waiting: dict[Name, OrderedDict[Name, None]] = field(default_factory=dict)
    """Sessions that wait for a warm pod, by pool, in the order in which they came."""

    async def delete_pod(self, pod: PodView, why: str) -> None:
        """Deletes exactly this pod; one that is gone already is deleted."""
        try:
            await self.api.delete(PODS, pod.namespace, pod.name, uid=pod.uid)
            self.store.mark_deleting(pod.uid)
        except (NotFound, Conflict):
            self.store.drop_pod(pod.uid)
        self.metrics.deletions.labels(why).inc()

    async def delete_waiting_pod(self, pod: PodView, why: str) -> bool:
        """The same for a pod that must not have been claimed meanwhile; False if it changed."""
        try:
            await self.api.delete(
                PODS, pod.namespace, pod.name, uid=pod.uid, version=str(pod.version)
            )
        except NotFound:
            self.store.drop_pod(pod.uid)
        except Conflict:
            return False
        self.metrics.deletions.labels(why).inc()
        return True

    def look_at_pool(self, namespace: str, pool: str, delay: float = 0.0) -> None:
        self.queue.add(Key("pool", namespace, pool), delay)

    def look_at_session(self, session: SessionView, delay: float = 0.0) -> None:
        self.queue.add(Key("session", session.namespace, session.name), delay)

    def wait_for_pod(self, session: SessionView, pool: Name) -> None:
        name = Name(session.namespace, session.name)
        self.waiting.setdefault(pool, OrderedDict())[name] = None
        self._count_waiting()

    def wait_no_more(self, session: Name, pool: Name) -> bool:
        """Whether it did."""
        waiting = self.waiting.get(pool)
        if waiting is None or session not in waiting:
            return False
        del waiting[session]
        if not waiting:
            del self.waiting[pool]
        self._count_waiting()
        return True

    def wake_waiting(self, pool: Name) -> None:
        """As many as there are pods for."""
        waiting = self.waiting.get(pool)
        if not waiting:
            return
        free = sum(1 for _ in self.store.claimable(pool))
        for session in list(waiting)[: max(free, 1)]:
            self.queue.add(Key("session", *session))

    def wake_all_waiting(self, pool: Name) -> None:
        """The pool itself has changed: whoever waits for it is judged anew."""
        for session in list(self.waiting.get(pool, ())):
            self.queue.add(Key("session", *session))

    def hear_of_pool(self, change: Change[PoolView]) -> None:
        """Whoever waits for the pool tells why: not only that it has no pod, but what ails it."""
        old, new = change
        if new is not None and trouble_of(new.status) != (trouble_of(old.status) if old else None):
            self.wake_all_waiting(Name(new.namespace, new.name))

    def pool_of(self, session: SessionView) -> PoolView | None:
        if session.spec is None:
            return None
        pool = self.store.pools.get(Name(session.namespace, session.spec.pool_ref.name))
        return None if pool is None or pool.deleting else pool

    def _count_waiting(self) -> None:
        self.metrics.waiting.set(sum(map(len, self.waiting.values())))
