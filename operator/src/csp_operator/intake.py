"""News of the cluster: into the store, and into the queue what they may concern.

It makes no difference whether news come from a watch, a list or a write's answer; what was known
already leads to nothing.
"""

from __future__ import annotations

from csp_operator.activity import Activity
from csp_operator.queue import Key
from csp_operator.reconcile.core import Core
from csp_operator.reconcile.pools import PoolReconciler
from csp_operator.store import Name
from csp_operator.views import Object, PodView, SessionView

_ORPHAN_DELAY_S = 2.0  # a watch of sessions may be behind the watch of pods
_READY_SETTLE_S = 0.02


class Intake:
    """Each method takes a whole object; `gone` when it was deleted."""

    def __init__(self, core: Core, activity: Activity, pools: PoolReconciler) -> None:
        self._core = core
        self._activity = activity
        self._pools = pools

    def session(self, resource: Object, *, gone: bool = False) -> None:
        meta = resource["metadata"]
        if gone:
            old = self._core.store.drop_session(Name(meta["namespace"], meta["name"]), meta["uid"])
            self._end_of_session(meta["uid"], old)
            return
        change = self._core.store.put_session(resource)
        if change.new is not None:
            self._activity.see(change.new)
            self._core.look_at_session(change.new)

    def pool(self, resource: Object, *, gone: bool = False) -> None:
        meta = resource["metadata"]
        name = Name(meta["namespace"], meta["name"])
        if gone:
            old = self._core.store.drop_pool(name, meta["uid"])
            if old is not None:
                self._pools.forget(old)
            for pod in self._core.store.pods_of_pool(name):
                if pod.waits:
                    self._core.queue.add(Key("orphan", pod.namespace, pod.uid))
            return
        change = self._core.store.put_pool(resource)
        if change.new is None:
            return
        if change.old is None or change.old.generation != change.new.generation:
            self._core.wake_all_waiting(name)
            self._core.look_at_pool(*name)
        elif change.old.status != change.new.status:
            self._core.look_at_pool(*name, _READY_SETTLE_S)
            self._core.hear_of_pool(change)

    def pod(self, resource: Object, *, gone: bool = False) -> None:
        if gone:
            old = self._core.store.drop_pod(resource["metadata"]["uid"])
            if old is not None:
                self._concern(old)
            return
        change = self._core.store.put_pod(resource)
        new, old = change.new, change.old
        if new is None:
            return
        if old is not None and old.session_uid and old.session_uid != new.session_uid:
            self._concern(old)
        self._concern(new)
        if new.claimable and not (old is not None and old.was_ready) and new.ready_since:
            took = (new.ready_since - new.created).total_seconds()
            self._core.metrics.refill.observe(max(0.0, took))
        if new.claimable and new.pool and not (old is not None and old.claimable):
            self._core.wake_waiting(Name(new.namespace, new.pool))

    def everything(self) -> None:
        """All that is known is looked at."""
        for session in self._core.store.sessions.values():
            self._core.look_at_session(session)
        for namespace, name in self._core.store.pools:
            self._core.look_at_pool(namespace, name)
        for pod in self._core.store.pods.values():
            if not self._has_owner(pod):
                self._core.queue.add(Key("orphan", pod.namespace, pod.uid))

    def vanished_pod(self, uid: str) -> None:
        """A complete list does not have it any more."""
        old = self._core.store.drop_pod(uid)
        if old is not None:
            self._concern(old)

    def _concern(self, pod: PodView) -> None:
        core = self._core
        if pod.session_uid:
            session = core.store.session_by_uid(pod.session_uid)
            if session is not None:
                core.look_at_session(session)
            else:
                core.queue.add(Key("orphan", pod.namespace, pod.uid), _ORPHAN_DELAY_S)
        elif not self._has_owner(pod):
            core.queue.add(Key("orphan", pod.namespace, pod.uid), _ORPHAN_DELAY_S)
        if pod.pool:
            core.look_at_pool(pod.namespace, pod.pool, _READY_SETTLE_S)

    def _has_owner(self, pod: PodView) -> bool:
        store = self._core.store
        if pod.session_uid:
            return store.session_by_uid(pod.session_uid) is not None
        pool = store.pools.get(Name(pod.namespace, pod.pool or ""))
        return pod.waits and pool is not None and pool.uid == pod.owner_uid

    def _end_of_session(self, uid: str, session: SessionView | None) -> None:
        core = self._core
        self._activity.forget(uid)
        for pod in core.store.pods_of_session(uid):
            core.queue.add(Key("orphan", pod.namespace, pod.uid))
        if session is not None and session.spec is not None:
            pool = Name(session.namespace, session.spec.pool_ref.name)
            core.wait_no_more(Name(session.namespace, session.name), pool)
