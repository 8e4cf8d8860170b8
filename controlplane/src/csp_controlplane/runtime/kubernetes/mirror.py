"""A copy of the AgentSessions of some namespaces, kept by a watch, and who hears of changes.

The copy may be behind, never wrong about what it has: answers to the control plane's own writes go
in as well, so that it reads what it wrote. Whoever must be sure asks the API server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from csp_controlplane.runtime.kubernetes.api import (
    Absent,
    Expired,
    KubernetesApi,
    Rejected,
    Resource,
)
from csp_controlplane.runtime.protocol import RuntimeUnavailable

log = structlog.get_logger(__name__)

RETRY_S = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
ABSENCES = 3
"""How often in a row the kind is missing before its resources count as gone."""
GRACE_S = 5
"""What a watch may last beyond the time that the server was asked to end it after."""

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Change:
    """One resource before and after. None: it was not there, or is not any more."""

    key: Key
    before: Resource | None
    after: Resource | None


Listener = Callable[[Change], None]


class Mirror:
    """Every gateway has its own."""

    def __init__(self, api: KubernetesApi, namespaces: tuple[str, ...], watch_s: int) -> None:
        self._api = api
        self._namespaces = namespaces
        self._watch_s = watch_s
        self._items: dict[Key, Resource] = {}
        self._away: dict[str, str] = dict.fromkeys(namespaces, "it has not been read yet")
        self._seen = asyncio.Event()
        self._changed: set[asyncio.Event] = set()
        self._listeners: list[Listener] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._keep(name), name=f"mirror-{name}")
            for name in self._namespaces
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls back with every change inside the event loop; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # ---- what is known

    def get(self, key: Key) -> Resource | None:
        return self._items.get(key)

    def all(self) -> Iterator[tuple[Key, Resource]]:
        yield from tuple(self._items.items())

    def check(self, namespace: str) -> None:
        """Raises RuntimeUnavailable while the copy cannot follow the API server."""
        if reason := self._away.get(namespace):
            raise RuntimeUnavailable(f"AgentSessions of {namespace} cannot be watched: {reason}")

    @property
    def synced(self) -> bool:
        """Whether every namespace has been read and is followed."""
        return not any(self._away.values())

    async def until_synced(self, seconds: float) -> None:
        """Raises RuntimeUnavailable when that takes longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self.changes() as changed:
                while not self.synced:
                    changed.clear()
                    await changed.wait()
        for namespace in self._namespaces:
            self.check(namespace)

    def changes(self) -> _Waiting:
        """An event that is set by every change, for as long as the context lasts."""
        return _Waiting(self._changed)

    # ---- what comes in

    def put(self, resource: Resource) -> None:
        """A resource as the API server answered; older than what is known, it is ignored."""
        key = _key(resource)
        before = self._items.get(key)
        if before is not None and not _newer(resource, before):
            return
        self._items[key] = resource
        self._tell(Change(key, before, resource))

    def drop(self, resource: Resource) -> None:
        """The last that was seen of a resource which is gone."""
        key = _key(resource)
        before = self._items.get(key)
        if before is not None and before["metadata"]["uid"] != resource["metadata"]["uid"]:
            return  # of an earlier resource of this name
        self._items.pop(key, None)
        self._tell(Change(key, resource, None))

    def _tell(self, change: Change) -> None:
        for listener in tuple(self._listeners):
            listener(change)
        self._stir()

    def _stir(self) -> None:
        for event in self._changed:
            event.set()

    # ---- the watch

    async def _keep(self, namespace: str) -> None:
        failures = absences = 0
        while True:
            try:
                version = await self._read(namespace)
                self._follows(namespace)
                failures = absences = 0
                while True:
                    version = await self._follow(namespace, version)
            except Expired:
                log.info("watch_expired", namespace=namespace)
            except Absent as error:
                self._lost(namespace, f"the kind is not installed ({error})")
                absences += 1
                # A server that has just started may not know the kind yet.
                if absences > ABSENCES:
                    self._drop_all(namespace)
            except (RuntimeUnavailable, Rejected) as error:
                self._lost(namespace, str(error))
            except Exception as error:  # a mirror that stops would leave every session blind
                log.exception("watch_failed", namespace=namespace)
                self._lost(namespace, f"{type(error).__name__}: {error}")
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1

    def _drop_all(self, namespace: str) -> None:
        for key, resource in tuple(self._items.items()):
            if key[0] == namespace:
                self.drop(resource)

    async def _read(self, namespace: str) -> str:
        items, version = await self._api.list(namespace)
        present = {_key(item) for item in items}
        for key, resource in tuple(self._items.items()):
            if key[0] == namespace and key not in present:
                self.drop(resource)
        for item in items:
            known = self._items.get(_key(item))
            if known is not None and known["metadata"]["uid"] != item["metadata"]["uid"]:
                self.drop(known)
            self.put(item)
        return version

    async def _follow(self, namespace: str, version: str) -> str:
        """One watch; returns the version to go on from. A silent one is ended from this side."""
        found = self._api.watch(namespace, version, self._watch_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._watch_s + GRACE_S), aclosing(found) as changes:
                async for kind, resource in changes:
                    version = str(resource["metadata"]["resourceVersion"])
                    if kind == "DELETED":
                        self.drop(resource)
                    else:
                        self.put(resource)
        return version

    def _follows(self, namespace: str) -> None:
        if self._away.get(namespace):
            log.info("watching", namespace=namespace)
        self._away[namespace] = ""
        self._stir()

    def _lost(self, namespace: str, reason: str) -> None:
        if not self._away.get(namespace):
            log.warning("watch_lost", namespace=namespace, reason=reason)
        self._away[namespace] = reason
        self._stir()


class _Waiting:
    """One waiter's event, known to the mirror while the context lasts."""

    def __init__(self, known: set[asyncio.Event]) -> None:
        self._known = known
        self._event = asyncio.Event()

    async def __aenter__(self) -> asyncio.Event:
        self._known.add(self._event)
        return self._event

    async def __aexit__(self, *_: object) -> None:
        self._known.discard(self._event)


def _key(resource: dict[str, Any]) -> Key:
    metadata = resource["metadata"]
    return str(metadata["namespace"]), str(metadata["name"])


def _newer(resource: Resource, known: Resource) -> bool:
    if resource["metadata"]["uid"] != known["metadata"]["uid"]:
        return True
    try:
        # Versions of one kind of object are comparable numbers.
        return int(resource["metadata"]["resourceVersion"]) > int(
            known["metadata"]["resourceVersion"]
        )
    except ValueError:
        return True
