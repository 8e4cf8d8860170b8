"""What pods and AgentSessions went through while a test ran, and whether it was allowed.

The end state of a test cannot show a pod that two sessions had in turn, or a session that was
served by two pods for a moment. Watches of both kinds see every change, and versions of one API
server put the changes of both into one order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from csp_crds import names
from support.kube import SESSIONS, Kube, Object
from support.waiting import wait_until

PODS = "pods"


@dataclass(frozen=True)
class Change:
    """An object as it was from one version on."""

    plural: str
    version: int
    gone: bool
    object: Object


class History:
    """Records until the context ends. An async context manager."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._changes: list[Change] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for plural in (PODS, SESSIONS):
            items, version = await self._kube.listing(plural)
            self._changes += [_change(plural, item) for item in items]
            self._tasks.append(asyncio.create_task(self._record(plural, version), name=plural))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def changes(self) -> list[Change]:
        """Everything up to now, in its order."""
        for plural in (PODS, SESSIONS):
            items, _ = await self._kube.listing(plural)
            now = {item["metadata"]["uid"]: _version(item) for item in items}

            async def caught_up(plural: str = plural, now: dict[str, int] = now) -> bool:
                return all(self._seen(plural).get(uid, 0) >= at for uid, at in now.items())

            await wait_until(caught_up, 30, f"the watch of {plural} to catch up")
        return sorted(self._changes, key=lambda change: change.version)

    def _seen(self, plural: str) -> dict[str, int]:
        found = (change for change in self._changes if change.plural == plural)
        return {change.object["metadata"]["uid"]: change.version for change in found}

    async def _record(self, plural: str, version: str) -> None:
        async with self._kube.watch(plural, version) as events:
            async for event in events:
                gone = event["type"] == "DELETED"
                self._changes.append(_change(plural, event["object"], gone=gone))


def violations(changes: Iterable[Change]) -> list[str]:
    """What must never be: a pod with two sessions, a used pod that is anybody else's again, two
    pods that serve one session at the same time. A session is served by the pod that its status
    names; the one before must have ended, be on its way out or have been given up by then."""
    found: list[str] = []
    owner_of: dict[str, str] = {}
    pods: dict[str, Change] = {}
    serves: dict[str, list[str]] = {}  # pods by session, in their order
    for change in changes:
        uid = change.object["metadata"]["uid"]
        if change.plural == PODS:
            pods[uid] = change
            owner = _session_of(change.object)
            before = owner_of.get(uid)
            if before is not None and owner != before:
                found.append(f"pod {uid} was {before}'s and then {owner or 'nobody'}'s")
            if owner is not None:
                owner_of.setdefault(uid, owner)
            continue
        named = ((change.object.get("status") or {}).get("pod") or {}).get("uid")
        past = serves.setdefault(uid, [])
        if named is None or change.gone or (past and past[-1] == named):
            continue
        if named in past:
            found.append(f"session {uid} was given the used pod {named} again")
        if any(named in others for other, others in serves.items() if other != uid):
            found.append(f"pod {named} served another session before {uid}")
        if past and _at_work(pods.get(past[-1])) and not _given_up(change.object, past[-1]):
            found.append(f"session {uid} was given {named} while {past[-1]} was at work for it")
        past.append(named)
    return found


def _change(plural: str, item: Object, *, gone: bool = False) -> Change:
    return Change(plural, _version(item), gone, item)


def _version(item: Object) -> int:
    return int(item["metadata"]["resourceVersion"])


def _session_of(pod: Object) -> str | None:
    owners: list[dict[str, Any]] = pod["metadata"].get("ownerReferences") or []
    return next((one["uid"] for one in owners if one["kind"] == names.SESSION_KIND), None)


def _at_work(pod: Change | None) -> bool:
    if pod is None or pod.gone or pod.object["metadata"].get("deletionTimestamp"):
        return False
    return (pod.object.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _given_up(session: Object, pod: str) -> bool:
    notes = session["metadata"].get("annotations") or {}
    return bool(notes.get(names.RELEASE) == pod)
