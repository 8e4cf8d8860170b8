"""Looks after the CLI's memory and after what escaped from it.

Memory counts for the CLI and everything it started: an agent that fills the machine with a build
is stopped like one whose own process grows. Processes whose parents have ended are adopted by this
worker; they are counted too, and taken off the kernel's hands when they end.
"""

from __future__ import annotations

import asyncio

import structlog

from csp_worker import process
from csp_worker.engine import Engine
from csp_worker.eventlog import EventLog
from csp_worker.metrics import Metrics

LOOK_SECONDS = 1.0
_log = structlog.get_logger(__name__)


class Watchdog:
    """One look a second while a session is bound."""

    def __init__(
        self,
        engine: Engine,
        log: EventLog,
        rss_limit: int,
        metrics: Metrics,
    ) -> None:
        self._engine = engine
        self._log = log
        self._limit = rss_limit
        self._metrics = metrics

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Measures once, and stops the CLI when it is over its limit."""
        cli = self._engine.cli
        known = [] if cli is None else cli.processes()
        adopted = process.orphans(self._engine.guards)
        process.reap(adopted)
        rss = process.rss_bytes({*known, *adopted})
        self._metrics.cli_rss.set(rss)
        if cli is None or rss <= self._limit:
            return
        _log.warning("memory limit", rss_bytes=rss, limit_bytes=self._limit)
        self._log.notice(
            "memory_limit",
            "error",
            f"The agent used {_mb(rss)} MB of memory; {_mb(self._limit)} MB are allowed. It was "
            "stopped and starts again from where the conversation stood.",
            {"rss_bytes": rss, "limit_bytes": self._limit},
        )
        self._engine.fail("memory_limit")


def _mb(size: int) -> int:
    return round(size / 1024**2)
