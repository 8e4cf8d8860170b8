"""Workers and gateways for the tests of the worker: real processes, the scripted model, one log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from conftest import ScriptedModel
from csp_crds.agent import AgentSpec
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
