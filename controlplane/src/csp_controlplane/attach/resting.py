"""Puts sessions to rest: the log says so, the files are kept, the worker is given back.

Each function is idempotent and safe to run in several gateways at once.
"""

from __future__ import annotations

import structlog

from csp_controlplane.attach import workspace
from csp_controlplane.attach.core import Core
from csp_controlplane.attach.lifecycle import SessionGone, decide_and_append
from csp_controlplane.domain import course
from csp_controlplane.live.hub import Hub
from csp_controlplane.runtime.protocol import RuntimeUnavailable
from csp_controlplane.store import sessions
from csp_controlplane.store.sessions import Binding

log = structlog.get_logger(__name__)


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
    """Gives an idle session's worker back. False when somebody came in between.

    Nobody waits for this one: its files are kept before it is decided, so that who comes meanwhile
    finds the worker.
    """
    row = await sessions.load(core.db, tenant, session)
    if row is None or course.pause(row.fold, core.make) is None:
        return False
    binding = await sessions.live_binding(core.db, tenant, session)
    if binding is not None:
        await _keep_files(core, tenant, session, binding)
    paused = await decide_and_append(
        core, tenant, session, lambda fold: course.pause(fold, core.make), hub=hub
    )
    if paused:
        await release_worker(core, tenant, session, "paused", keep=False)
    return paused


async def release_worker(
    core: Core, tenant: str, session: str, reason: str, *, keep: bool = True, purge: bool = False
) -> None:
    """Ends the live binding, if any, and its worker.

    `keep`: with a last look at its files, once its turn can get no further. `purge`: ends all that
    the runtime keeps, too.
    """
    binding = await sessions.live_binding(core.db, tenant, session)
    if binding is not None:
        await sessions.end_binding(core.db, tenant, session, binding.epoch, reason)
        if keep and not purge:
            await _keep_files(core, tenant, session, binding)
    try:
        await (core.runtime.purge(session) if purge else core.runtime.delete(session))
    except RuntimeUnavailable as error:
        # The worker is fenced and has no handle: it can do nothing until it is found and ended.
        log.warning("worker_not_released", session_id=session, error=str(error))


async def _keep_files(core: Core, tenant: str, session: str, binding: Binding) -> None:
    """While its worker lives: one that is gone would be waited for."""
    row = await sessions.load(core.db, tenant, session)
    if row is None:
        raise SessionGone(session)
    try:
        ref = await core.runtime.endpoint(session)
    except RuntimeUnavailable:
        ref = None
    if ref is None or ref.worker_id != binding.worker_id:
        return
    hub = Hub(core.db, tenant, session, row.month, row.last_seq)
    await workspace.keep_now(core, hub, binding)
