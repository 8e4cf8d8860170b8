"""The operator's picture of the cluster: fed by watches, by lists and by answers to its own writes.

A write's answer enters at once, so that the next decision sees what the last one did; a watch that
lags behind cannot take it back, because only newer versions replace older ones and what was seen to
end does not come back. The picture can still be behind the cluster: whoever acts on something being
absent asks the API server first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar

from csp_operator.views import (
    Object,
    PodView,
    PoolView,
    SessionView,
    pod_view,
    pool_view,
    session_view,
    version_of,
)

View = TypeVar("View")
Key = TypeVar("Key")
_REMEMBERED_ENDS = 20_000


class Name(NamedTuple):
    namespace: str
    name: str


class Change(NamedTuple, Generic[View]):
    """What a new state replaced; both are None when it was older than what is known."""

    old: View | None
    new: View | None


class Store:
    """Views by name, with the indexes that decisions ask for."""

    def __init__(self) -> None:
        self.sessions: dict[Name, SessionView] = {}
        self.pools: dict[Name, PoolView] = {}
        self.pods: dict[str, PodView] = {}  # by uid
        self._session_names: dict[str, Name] = {}  # by uid
        self._by_pool: dict[Name, dict[str, PodView]] = {}
        self._claimable: dict[Name, dict[str, PodView]] = {}
        self._by_session: dict[str, dict[str, PodView]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    # ---- questions

    def session_by_uid(self, uid: str) -> SessionView | None:
        name = self._session_names.get(uid)
        return self.sessions.get(name) if name else None

    def pods_of_session(self, uid: str) -> list[PodView]:
        return list(self._by_session.get(uid, {}).values())

    def pods_of_pool(self, pool: Name) -> list[PodView]:
        return list(self._by_pool.get(pool, {}).values())

    def claimable(self, pool: Name) -> Iterable[PodView]:
        """Those of the pool's pods that a session could have now."""
        return self._claimable.get(pool, {}).values()

    def claimed_pods(self) -> Iterator[PodView]:
        for pods in self._by_session.values():
            yield from pods.values()

    # ---- news

    def put_pod(self, resource: Object) -> Change[PodView]:
        uid = resource["metadata"]["uid"]
        old = self.pods.get(uid)
        if uid in self._ended or (old is not None and old.version >= version_of(resource)):
            return Change(None, None)
        new = pod_view(resource, old)
        if old is not None:
            self._unindex(old)
        self._index(new)
        return Change(old, new)

    def put_session(self, resource: Object) -> Change[SessionView]:
        meta = resource["metadata"]
        name = Name(meta["namespace"], meta["name"])
        old = self.sessions.get(name)
        if meta["uid"] in self._ended:
            return Change(None, None)
        if old is not None and old.uid != meta["uid"]:
            self.drop_session(name, old.uid)  # its end was missed
        if old is not None and old.uid == meta["uid"] and old.version >= version_of(resource):
            return Change(None, None)
        new = session_view(resource, old)
        self.sessions[name] = new
        self._session_names[new.uid] = name
        return Change(old, new)

    def put_pool(self, resource: Object) -> Change[PoolView]:
        new = pool_view(resource)
        name = Name(new.namespace, new.name)
        old = self.pools.get(name)
        if new.uid in self._ended or (
            old is not None and old.uid == new.uid and old.version >= new.version
        ):
            return Change(None, None)
        self.pools[name] = new
        return Change(old, new)

    def drop_pod(self, uid: str) -> PodView | None:
        """It has ended for good."""
        self._remember_end(uid)
        old = self.pods.pop(uid, None)
        if old is not None:
            self._unindex(old)
        return old

    def mark_deleting(self, uid: str) -> None:
        """Its deletion was accepted; the watch will bring the rest."""
        old = self.pods.get(uid)
        if old is not None:
            self._unindex(old)
            self._index(replace(old, deleting=True))

    def drop_session(self, name: Name, uid: str) -> SessionView | None:
        self._remember_end(uid)
        self._session_names.pop(uid, None)
        old = self.sessions.get(name)
        return self.sessions.pop(name) if old is not None and old.uid == uid else None

    def drop_pool(self, name: Name, uid: str) -> PoolView | None:
        self._remember_end(uid)
        old = self.pools.get(name)
        return self.pools.pop(name) if old is not None and old.uid == uid else None

    def missing_pods(self, namespace: str, listed: Iterable[str], before: int) -> list[str]:
        """UIDs that a complete list of the namespace at version `before` no longer had."""
        there = set(listed)
        return [
            pod.uid
            for pod in self.pods.values()
            if pod.namespace == namespace and pod.uid not in there and pod.version <= before
        ]

    # ----

    def _index(self, pod: PodView) -> None:
        self.pods[pod.uid] = pod
        if pod.pool:
            name = Name(pod.namespace, pod.pool)
            self._by_pool.setdefault(name, {})[pod.uid] = pod
            if pod.claimable:
                self._claimable.setdefault(name, {})[pod.uid] = pod
        if pod.session_uid:
            self._by_session.setdefault(pod.session_uid, {})[pod.uid] = pod

    def _unindex(self, pod: PodView) -> None:
        if pod.pool:
            _discard(self._by_pool, Name(pod.namespace, pod.pool), pod.uid)
            _discard(self._claimable, Name(pod.namespace, pod.pool), pod.uid)
        if pod.session_uid:
            _discard(self._by_session, pod.session_uid, pod.uid)

    def _remember_end(self, uid: str) -> None:
        self._ended[uid] = None
        self._ended.move_to_end(uid)
        while len(self._ended) > _REMEMBERED_ENDS:
            self._ended.popitem(last=False)


def _discard(index: dict[Key, dict[str, PodView]], key: Key, uid: str) -> None:
    pods = index.get(key, {})
    pods.pop(uid, None)
    if not pods:
        index.pop(key, None)
