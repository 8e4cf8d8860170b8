"""Puts the operator together and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

import kopf
import structlog

from csp_operator.activity import Activity
from csp_operator.api.client import KubeApi
from csp_operator.api.connection import Connection, login
from csp_operator.api.errors import ApiError, NotFound
from csp_operator.api.resources import POOLS, SESSIONS
from csp_operator.clock import ServerClock
from csp_operator.handlers import kopf_settings, registry
from csp_operator.http import serve
from csp_operator.intake import Intake
from csp_operator.leader import Leader
from csp_operator.metrics import OperatorMetrics
from csp_operator.notes import Notes
from csp_operator.pulse import Pulse
from csp_operator.queue import WorkQueue
from csp_operator.reconcile.core import Core
from csp_operator.reconcile.orphans import OrphanReconciler
from csp_operator.reconcile.pools import PoolReconciler
from csp_operator.reconcile.sessions import SessionReconciler
from csp_operator.resync import Resync
from csp_operator.settings import OperatorSettings
from csp_operator.store import Store
from csp_operator.surroundings import Blueprints
from csp_operator.tasks import end, failure
from csp_operator.watches import Watches, parts
from csp_operator.work import Work

log = structlog.get_logger(__name__)


async def run(settings: OperatorSettings) -> None:
    """Until a signal comes. Raises when a part of it failed for good."""
    metrics, clock, store = OperatorMetrics(), ServerClock(), Store()
    watching = kopf_settings(settings.watch_silence_seconds)
    connection = Connection(lambda: login(watching))
    leader = Leader(settings, metrics)
    api = KubeApi(connection, clock, metrics, leader.leads, settings.request_seconds)
    core = Core(
        settings=settings,
        api=api,
        store=store,
        queue=WorkQueue(metrics.queue),
        clock=clock,
        metrics=metrics,
        notes=Notes(clock, metrics, settings.identity),
        blueprints=Blueprints(api, settings),
    )
    activity = Activity()
    pools = PoolReconciler(core)
    intake = Intake(core, activity, pools)
    pulse = Pulse(settings)
    sessions = SessionReconciler(core, activity, pulse)
    resync = Resync(core, intake)
    work = Work(core, leader, resync, sessions, pools, OrphanReconciler(core), pulse)
    watches = parts(
        Watches(api, resync, intake, settings.watch_silence_seconds), settings.namespaces
    )
    stop = asyncio.Event()
    try:
        async with serve(settings.metrics_host, settings.metrics_port, metrics, store) as port:
            log.info("operator_started", namespaces=settings.namespaces, metrics_port=port)
            await _wait_for_definitions(api, settings)
            known = asyncio.all_tasks()
            tasks = await kopf.spawn_tasks(
                registry=registry(intake),
                settings=watching,
                namespaces=settings.namespaces,
                stop_flag=(stop_watching := asyncio.Event()),
            )
            # Instead of kopf's own: the parts that write end before the watches do.
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            watch = asyncio.create_task(kopf.run_tasks(tasks, ignored=known), name="watch")
            own = {"lease": leader.run(api), "work": work.run(), **watches}
            await _until_stopped(watch, stop, own)
            await leader.release(api)
        # Last, because it takes every task that it does not know for one of its own that hangs.
        stop_watching.set()
        await watch
    finally:
        await connection.close()


async def _wait_for_definitions(api: KubeApi, settings: OperatorSettings) -> None:
    """Watching a kind that is not defined yet would see nothing for ever."""
    while True:
        try:
            for resource in (SESSIONS, POOLS):
                await api.list(resource, settings.namespaces[0])
        except NotFound:
            log.warning("definitions_missing", hint="apply the CustomResourceDefinitions of csp")
        except ApiError as error:
            log.warning("api_server_away", error=str(error))
        else:
            return
        await asyncio.sleep(2.0)


async def _until_stopped(
    watch: asyncio.Task[None], stop: asyncio.Event, own: dict[str, Coroutine[Any, Any, None]]
) -> None:
    """Runs the parts until a signal comes or something ends, which only failures do."""
    others = [asyncio.create_task(part, name=name) for name, part in own.items()]
    told = asyncio.create_task(stop.wait(), name="stop-signal")
    try:
        await asyncio.wait({watch, told, *others}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end({told, *others})
    if (error := failure(others)) is not None:
        watch.cancel()
        raise error
