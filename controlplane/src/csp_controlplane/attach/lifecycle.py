"""Applies the domain's decisions about a session's life: read, decide, append, announce.

Each function is idempotent and safe to run in several gateways at once: the fold's version
serialises them, the loser reads again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from csp_controlplane.attach.core import Core
from csp_controlplane.domain import course
from csp_controlplane.domain.decisions import Decision
from csp_controlplane.domain.events import LoggedEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.live.hub import Hub
from csp_controlplane.runtime.protocol import RuntimeUnavailable
from csp_controlplane.store import sessions
from csp_controlplane.store.log import FoldChange, append_control

MAX_TRIES = 50
log = structlog.get_logger(__name__)


class SessionGone(Exception):
    """The session was deleted."""


async def decide_and_append(
    core: Core,
    tenant: str,
    session: str,
    decide: Callable[[Fold], Decision | None],
    *,
    hub: Hub | None = None,
) -> bool:
    """Appends what `decide` says of the newest fold. False when it says nothing is to be done."""
    for _ in range(MAX_TRIES):
        row = await sessions.load(core.db, tenant, session)
        if row is None:
            raise SessionGone(session)
        decision = decide(row.fold)
        if decision is None or not decision.events:
            return False
        change = FoldChange(row.fold_version, decision.fold)
        result = await append_control(core.db, tenant, session, decision.events, change)
        if result.outcome == "missing":
            raise SessionGone(session)
        if result.outcome == "appended":
            if hub is not None:
                hub.folded(change.version + 1, decision.fold)
            await publish(core, session, result.base, decision, hub)
            core.observer.changed(tenant, session)
            return True
    raise RuntimeError(f"the fold of {session} changed {MAX_TRIES} times during one decision")


async def publish(core: Core, session: str, base: int, decision: Decision, hub: Hub | None) -> None:
    """Shows committed control events here and announces them to the other gateways."""
    events = [
        LoggedEvent(base + place, event.id, event.type, event.payload)
        for place, event in enumerate(decision.events, start=1)
    ]
    if hub is not None and not hub.committed(events):
        await hub.catch_up(events[-1].seq)
    await core.announce(session, events[-1].seq)


async def lose_worker(
    core: Core, hub: Hub, epoch: int, *, reason: str, message: str, partial: list[dict[str, str]]
) -> None:
    """Ends an epoch that was not asked to end: fences it first, then says so in the log."""
    await sessions.end_binding(core.db, hub.tenant, hub.session, epoch, reason)
    core.metrics.worker_lost(reason)

    def decide(fold: Fold) -> Decision | None:
        if fold.state in ("completed", "paused"):
            return None
        return course.worker_lost(fold, message, partial, core.make)

    await decide_and_append(core, hub.tenant, hub.session, decide, hub=hub)


async def say_bound(core: Core, hub: Hub, data: dict[str, Any]) -> bool:
    """Writes that the session has its worker. False when the session no longer wants one."""

    return await decide_and_append(
        core, hub.tenant, hub.session, lambda fold: course.bound(fold, data, core.make), hub=hub
    )


async def say_bind_failed(core: Core, hub: Hub, message: str) -> None:
    """Writes why the session has no worker yet."""
    await decide_and_append(
        core,
        hub.tenant,
        hub.session,
        lambda fold: course.bind_failed(fold, message, core.make),
        hub=hub,
    )


async def say(
    core: Core, hub: Hub, code: str, level: str, message: str, data: dict[str, Any] | None = None
) -> None:
    """Writes a notice."""

    def decide(fold: Fold) -> Decision:
        return Decision(fold, (course.say(code, level, message, core.make, data),))

    await decide_and_append(core, hub.tenant, hub.session, decide, hub=hub)


async def suspend(core: Core, tenant: str, session: str, hub: Hub | None) -> bool:
    """Stops a session on its owner's wish. False when it was stopped before."""
    done = await decide_and_append(
        core, tenant, session, lambda fold: course.suspend(fold, core.make), hub=hub
    )
    if done:
        await release_worker(core, tenant, session, "suspended")
    return done


async def follow_rest(core: Core, hub: Hub) -> bool:
    """Puts the session to rest when the runtime's side has. False: it has not, or it cannot."""
    rest = await core.runtime.resting(hub.session)
    if rest == "suspended":
        await suspend(core, hub.tenant, hub.session, hub)
        return True
    return rest == "idle" and await pause_if_idle(core, hub.tenant, hub.session, hub)


async def pause_if_idle(core: Core, tenant: str, session: str, hub: Hub | None) -> bool:
    """Gives an idle session's worker back. False when somebody came in between."""
    paused = await decide_and_append(
        core, tenant, session, lambda fold: course.pause(fold, core.make), hub=hub
    )
    if paused:
        await release_worker(core, tenant, session, "paused")
    return paused


async def release_worker(
    core: Core, tenant: str, session: str, reason: str, *, purge: bool = False
) -> None:
    """Ends the live binding, if any, and its worker; with `purge` all that the runtime keeps."""
    binding = await sessions.live_binding(core.db, tenant, session)
    if binding is not None:
        await sessions.end_binding(core.db, tenant, session, binding.epoch, reason)
    try:
        await (core.runtime.purge(session) if purge else core.runtime.delete(session))
    except RuntimeUnavailable as error:
        # The worker is fenced and has no handle: it can do nothing until it is found and ended.
        log.warning("worker_not_released", session_id=session, error=str(error))
