"""How much memory workers and their CLIs take, for the gateway's metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import psutil

FRESH_S = 5.0


class Memory:
    """Measures at most every FRESH_S: a look at all processes costs some milliseconds."""

    def __init__(self, worker_pids: Callable[[], Collection[int]]) -> None:
        self._worker_pids = worker_pids
        self._at = float("-inf")
        self._found = {"worker": 0, "cli": 0}

    async def rss_bytes(self) -> dict[str, int]:
        """Resident bytes of the worker processes, and of everything below them."""
        now = asyncio.get_running_loop().time()
        if now - self._at >= FRESH_S:
            self._at = now
            self._found = await asyncio.to_thread(_measure, frozenset(self._worker_pids()))
        return self._found


def _measure(workers: frozenset[int]) -> dict[str, int]:
    parents: dict[int, int] = {}
    rss: dict[int, int] = {}
    for process in psutil.process_iter(["ppid", "memory_info"]):
        if process.info["memory_info"] is not None:
            parents[process.pid] = process.info["ppid"]
            rss[process.pid] = process.info["memory_info"].rss
    below = [pid for pid in parents if pid not in workers and _descends(pid, workers, parents)]
    return {
        "worker": sum(rss.get(pid, 0) for pid in workers),
        "cli": sum(rss[pid] for pid in below),
    }


def _descends(pid: int, workers: frozenset[int], parents: dict[int, int]) -> bool:
    for _ in range(64):
        pid = parents.get(pid, 0)
        if pid in workers:
            return True
        if pid <= 1:
            return False
    return False
