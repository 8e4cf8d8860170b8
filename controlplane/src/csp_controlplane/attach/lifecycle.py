"""Applies the domain's decisions about a session's life: read, decide, append, announce.

Each function is idempotent and safe to run in several gateways at once: the fold's version
serialises them, the loser reads again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from csp_controlplane.attach.core import Core
from csp_controlplane.domain import course
from csp_controlplane.domain.decisions import Decision
from csp_controlplane.domain.events import LoggedEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.live.hub import Hub
from csp_controlplane.store import sessions
from csp_controlplane.store.log import FoldChange, append_control
from csp_controlplane.store.sessions import Binding, SessionRow

MAX_TRIES = 50


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
        row = await _row(core, tenant, session)
        decision = decide(row.fold)
        if decision is None or not decision.events:
            return False
        if await _append(core, row, decision, hub):
            return True
    raise RuntimeError(f"the fold of {session} changed {MAX_TRIES} times during one decision")


async def _row(core: Core, tenant: str, session: str) -> SessionRow:
    row = await sessions.load(core.db, tenant, session)
    if row is None:
        raise SessionGone(session)
    return row


async def _append(core: Core, row: SessionRow, decision: Decision, hub: Hub | None) -> bool:
    """False when the fold has changed since it was read."""
    change = FoldChange(row.fold_version, decision.fold)
    result = await append_control(core.db, row.tenant, row.id, decision.events, change)
    if result.outcome == "missing":
        raise SessionGone(row.id)
    if result.outcome != "appended":
        return False
    if hub is not None:
        hub.folded(change.version + 1, decision.fold)
    await publish(core, row.id, result.base, decision, hub)
    core.observer.changed(row.tenant, row.id)
    return True


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


async def worker_ended(core: Core, hub: Hub, epoch: int, message: str) -> None:
    """Ends an epoch whose worker was expected to end and has said good-bye. What ran was ended by
    the worker itself, so that nothing is lost, and nothing said, unless that is not in the log."""
    await sessions.end_binding(core.db, hub.tenant, hub.session, epoch, "ended")

    def decide(fold: Fold) -> Decision | None:
        if fold.turn is None or fold.state in ("completed", "paused"):
            return None
        return course.worker_lost(fold, message, [], core.make)

    await decide_and_append(core, hub.tenant, hub.session, decide, hub=hub)


async def say_bound(core: Core, hub: Hub, data: dict[str, Any]) -> bool:
    """Writes that the session has its worker. False when the session no longer wants one."""

    return await decide_and_append(
        core, hub.tenant, hub.session, lambda fold: course.bound(fold, data, core.make), hub=hub
    )


async def say_bound_late(core: Core, hub: Hub, epoch: int) -> None:
    """Writes it for a gateway that bound this epoch's worker and was gone before it said so."""

    def decide(fold: Fold, binding: Binding | None) -> Decision | None:
        if binding is None or binding.epoch != epoch:
            return None
        return course.bound_and_not_said(fold, {"epoch": epoch}, core.make)

    await _decide_by_binding(core, hub, decide)


async def say_bind_failed(core: Core, hub: Hub, message: str) -> None:
    """Writes why the session has no worker yet; nothing when another gateway had more luck."""

    def decide(fold: Fold, binding: Binding | None) -> Decision | None:
        return None if binding is not None else course.bind_failed(fold, message, core.make)

    await _decide_by_binding(core, hub, decide)


async def _decide_by_binding(
    core: Core, hub: Hub, decide: Callable[[Fold, Binding | None], Decision | None]
) -> None:
    """As `decide_and_append`, knowing the live binding as well.

    It is read after the fold: who binds or loses a worker says so afterwards, in the fold, so that
    what was decided on an old binding is either refused or corrected.
    """
    for _ in range(MAX_TRIES):
        row = await _row(core, hub.tenant, hub.session)
        binding = await sessions.live_binding(core.db, hub.tenant, hub.session)
        decision = decide(row.fold, binding)
        if decision is None or await _append(core, row, decision, hub):
            return
    raise RuntimeError(f"the fold of {hub.session} changed {MAX_TRIES} times during one decision")


async def say(
    core: Core, hub: Hub, code: str, level: str, message: str, data: dict[str, Any] | None = None
) -> None:
    """Writes a notice."""

    def decide(fold: Fold) -> Decision:
        return Decision(fold, (course.say(code, level, message, core.make, data),))

    await decide_and_append(core, hub.tenant, hub.session, decide, hub=hub)
