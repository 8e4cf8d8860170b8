"""What the operator serves goes away as a whole and comes back: its API server, its namespace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT
from support.apiserver import ApiServer
from support.kube import POOLS, SESSIONS, Kube, StandInNode, pool, session
from support.operator_process import OperatorProcess
from support.settled import full, settled
from support.waiting import wait_until

pytestmark = pytest.mark.faults
AWAY_S = [10.0, pytest.param(60.0, marks=pytest.mark.long)]


@pytest.fixture
def own_api_server(kubernetes_programs: None) -> Iterator[ApiServer]:
    """It is stopped, and it removes namespaces with all that is in them."""
    with ApiServer(controllers=("namespace-controller", "garbage-collector-controller")) as server:
        server.apply_crds(ROOT / "crds")
        yield server


async def add_services(kube: Kube) -> None:
    for name in ("csp-model-proxy", "csp-egress-proxy"):
        body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 8402}]}}
        await kube.create("services", body)


@pytest.mark.parametrize("away_s", AWAY_S)
async def test_an_api_server_that_is_away_for_a_while_costs_no_session_its_pod(
    own_api_server: ApiServer, tmp_path: Path, away_s: float
) -> None:
    namespace = own_api_server.create_namespace()
    config = own_api_server.kubeconfig()
    async with Kube(own_api_server, namespace) as kube, StandInNode(kube):
        await add_services(kube)
        with OperatorProcess(config, namespace, tmp_path) as operator:
            await kube.create(POOLS, pool())
            await full(kube, 2)
            for name in ("one", "two"):
                await kube.create(SESSIONS, session(name))
            before = await settled(kube, ["one", "two"], 2)
            await asyncio.to_thread(own_api_server.stop)
            await asyncio.sleep(away_s)  # the absence itself
            await asyncio.to_thread(own_api_server.start_again)
            await kube.create(SESSIONS, session("three"))
            after = await settled(kube, ["one", "two", "three"], 2, 120)
            for old, new in zip(before, after, strict=False):
                assert new["status"]["pod"] == old["status"]["pod"]
                assert new["status"].get("rebinds", 0) == 0
            assert operator.process is not None
            assert operator.process.running


async def test_a_namespace_that_is_deleted_leaves_nothing_and_is_served_again(
    own_api_server: ApiServer, tmp_path: Path
) -> None:
    server = own_api_server
    home, namespace = server.create_namespace(), server.create_namespace()
    at_home = {
        "CSP_OPERATOR_LEASE_NAMESPACE": home,
        "CSP_OPERATOR_SERVICES_NAMESPACE": home,
    }
    async with (
        Kube(server, home) as services,
        Kube(server, namespace) as kube,
        StandInNode(kube),
    ):
        await add_services(services)
        with OperatorProcess(server.kubeconfig(), namespace, tmp_path, at_home) as operator:
            await kube.create(POOLS, pool())
            await full(kube, 2)
            await kube.create(SESSIONS, session("before"))
            await settled(kube, ["before"], 2)
            await asyncio.to_thread(
                server.kubectl, "delete", "namespace", namespace, "--wait=true", "--timeout=50s"
            )

            async def forgotten() -> bool:
                seen = "csp_operator_sessions", "csp_operator_pool_pods"
                return not any([await asyncio.to_thread(operator.metric, each) for each in seen])

            await wait_until(forgotten, 30, "an operator that knows of nothing")
            await asyncio.to_thread(server.kubectl, "create", "namespace", namespace)
            await kube.create(POOLS, pool())
            await kube.create(SESSIONS, session("after"))
            await settled(kube, ["after"], 2)
            assert operator.leads
