"""Where the kernel tells nobody of a parent's death, the worker and its guard look for themselves.

Forced here on a copy of the sources in which every prctl is refused, as it is elsewhere than on
Linux.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from support.processes import processes_of
from support.protections import WORKER, Change, copy_sources, python_path
from support.waiting import wait_until
from support.worker_client import WorkerProcess, script, tool
from worker.conftest import NewGateway, NewWorker

COMMAND = "python3 -c 'import time; time.sleep(98765.7)'"
STARTER = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
NO_PRCTL = Change(
    f"{WORKER}/guard/kernel.py",
    "return libc is not None and libc.prctl(option, value, 0, 0, 0) == 0",
    "return False",
)


@pytest.fixture
async def orphan_to_be(new_worker: NewWorker, tmp_path: Path) -> WorkerProcess:
    """A worker whose parent can be killed, on a system that tells it nothing."""
    copy_sources([NO_PRCTL], tmp_path)
    worker = new_worker(
        environment={"PYTHONPATH": python_path(tmp_path)}, parent=[sys.executable, "-c", STARTER]
    )
    await worker.ready()
    return worker


async def test_a_worker_and_its_cli_end_after_the_workers_parent(
    orphan_to_be: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(orphan_to_be).open()
    family = psutil.Process(orphan_to_be.process.pid).children(recursive=True)
    assert "claude" in [process.name() for process in family]
    orphan_to_be.process.kill()
    await gateway.until(lambda: gateway.ended, what="the end of the stream")
    await wait_until(
        lambda: not any(process.is_running() for process in family), 30, "the end of them all"
    )
    assert processes_of(orphan_to_be.directory) == []


async def test_a_killed_workers_cli_ends_with_what_it_runs(
    orphan_to_be: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(orphan_to_be).open()
    gateway.message(script(tool("Bash", command=COMMAND)))
    gateway.confirm(await gateway.event("agent.tool_use"))
    await wait_until(lambda: processes_of("98765.7"), what="the command runs")
    (worker,) = psutil.Process(orphan_to_be.process.pid).children()
    below = worker.children(recursive=True)
    worker.kill()
    await wait_until(
        lambda: not any(process.is_running() for process in below), 30, "the end of them all"
    )
    assert processes_of("98765.7") == []
