"""Workers and gateways for the tests of the worker: real processes, the scripted model, one log."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from conftest import ScriptedModel
from csp_crds.agent import AgentSpec
from csp_worker import guard
from support.waiting import wait_until_sync
from support.worker_client import Gateway, Log, ModelRequests, WorkerProcess

NewWorker = Callable[..., WorkerProcess]
NewGateway = Callable[..., Gateway]


@pytest.fixture
def new_worker(scripted_model: ScriptedModel) -> Iterator[NewWorker]:
    """Starts workers; they end with the test."""
    started: list[WorkerProcess] = []

    def start(agent: AgentSpec | None = None, **options: Any) -> WorkerProcess:
        base_url = options.pop("base_url", scripted_model.base_url)
        worker = WorkerProcess(base_url, agent, **options)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.close()


@pytest.fixture
def model_requests(scripted_model: ScriptedModel) -> ModelRequests:
    """What the model was asked, by a gateway's session."""
    return ModelRequests(scripted_model.base_url)


@pytest.fixture
async def new_gateway() -> AsyncIterator[NewGateway]:
    """Makes gateways; their streams end with the test."""
    made: list[Gateway] = []

    def make(worker: WorkerProcess, log: Log | None = None, **options: Any) -> Gateway:
        made.append(Gateway(worker, log, **options))
        return made[-1]

    yield make
    for gateway in made:
        await gateway.close()


@pytest.fixture
async def worker(new_worker: NewWorker) -> WorkerProcess:
    """A worker with a spare of the default definition, ready."""
    started = new_worker()
    await started.ready()
    return started


@pytest.fixture
async def gateway(worker: WorkerProcess, new_gateway: NewGateway) -> Gateway:
    """Bound to that worker and attached."""
    return await new_gateway(worker).open()


@pytest.fixture
def worker_as_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The pid of a guard, with a child below it, that run as a user who is nobody, or as ours.

    The guard needs no more than the standard library, so it runs from a copy that anybody can read,
    with whatever Python the system has.
    """
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin")
    if python is None:
        pytest.skip("no Python that every user can run")
    with tempfile.TemporaryDirectory(prefix="csp-guard-") as directory:
        copy = Path(directory) / "guard"
        shutil.copytree(Path(guard.__file__).parent, copy)
        Path(directory).chmod(0o755)
        user = 65534 if os.geteuid() == 0 else None
        process = subprocess.Popen(
            [python, "-I", "-S", str(copy), "/bin/sleep", "sleep", "60"], user=user, group=user
        )
        wait_until_sync(lambda: psutil.Process(process.pid).children(), what="the child runs")
        wait_until_sync(
            lambda: psutil.Process(process.pid).children()[0].name() == "sleep", what="exec"
        )
        yield process.pid
        process.terminate()
        process.wait(10)
