"""One API server for all tests here, a namespace and an operator for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.apiserver import ApiServer
from support.fault_proxy import FaultProxy
from support.heartbeat import Heartbeat
from support.history import History, violations
from support.kube import Kube, StandInNode
from support.operator_process import OperatorProcess

SERVICES = ("csp-model-proxy", "csp-egress-proxy")


async def add_services(kube: Kube) -> None:
    """The addresses that workers are given."""
    for name in SERVICES:
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"ports": [{"port": 8402}]},
        }
        await kube.create("services", body)


@pytest.fixture
def edits_by_hand() -> bool:
    """Whether the test itself writes what only the operator may write."""
    return False


@pytest.fixture
async def kube(
    api_server: ApiServer, kube_namespace: str, edits_by_hand: bool
) -> AsyncIterator[Kube]:
    """Whatever a test does to the operator: no pod has two sessions or is handed out again, and no
    session is served by two pods at once, at any moment."""
    async with Kube(api_server, kube_namespace) as client, History(client) as history:
        await add_services(client)
        yield client
        assert edits_by_hand or violations(await history.changes()) == []


@pytest.fixture
async def node(kube: Kube) -> AsyncIterator[StandInNode]:
    async with StandInNode(kube) as running:
        yield running


@pytest.fixture
async def gateways(kube: Kube) -> AsyncIterator[Heartbeat]:
    """Gateways that are there, as far as the operator can tell."""
    async with Heartbeat(kube) as running:
        yield running


@pytest.fixture
async def proxy(api_server: ApiServer, kube: Kube, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    """Between the operator and the API server, for a test that makes it fail."""
    async with FaultProxy(api_server, tmp_path) as running:
        yield running


@pytest.fixture
def start_operator(
    api_server: ApiServer, kube: Kube, tmp_path: Path
) -> Iterator[Callable[..., OperatorProcess]]:
    """Starts a replica; all are stopped after the test."""
    with ExitStack() as running:

        def start(
            environment: Mapping[str, str] | None = None, kubeconfig: Path | None = None
        ) -> OperatorProcess:
            config = kubeconfig or api_server.kubeconfig()
            operator = OperatorProcess(config, kube.namespace, tmp_path, environment)
            return running.enter_context(operator)

        yield start


@pytest.fixture
def operator(start_operator: Callable[..., OperatorProcess]) -> OperatorProcess:
    return start_operator()
