"""Every query of a dashboard or an alert, asked of a real Prometheus that scrapes real processes.

Gateway and model proxy are those of a whole `csp up` whose session has had a turn; the operator
runs against a real API server with a pool. What a query returns matters less here than that it
returns: a metric that was renamed, or a label that is not there, leaves a graph empty and an alert
silent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from generate.monitoring.alerts import ALERTS
from generate.monitoring.dashboards import DASHBOARDS
from prepare.steps import ROOT
from support.apiserver import ApiServer
from support.debian import require
from support.processes import ServerProcess, free_port
from support.session_api import message, new_session, until_event
from support.stack import Stack
from support.waiting import wait_until_sync

NAMESPACE = "csp"
_SCRAPES = 3
_POOL = {
    "apiVersion": "sessionplane.io/v1alpha1",
    "kind": "AgentPool",
    "metadata": {"name": "default"},
    "spec": {"template": {"image": "csp-worker:test"}, "scaling": {"targetSpare": 1}},
}


@dataclass(frozen=True)
class Prometheus:
    url: str

    def query(self, promql: str) -> list[object]:
        """The samples of an instant query. Fails with Prometheus' own words."""
        with httpx.Client(trust_env=False, timeout=60) as client:
            said = client.get(f"{self.url}/api/v1/query", params={"query": promql}).json()
        assert said["status"] == "success", f"{promql}: {said.get('error')}"
        return list(said["data"]["result"])


@pytest.fixture(scope="module")
def metrics_ports() -> dict[str, int]:
    return {"csp-gateway": free_port(), "csp-model-proxy": free_port()}


@pytest.fixture(scope="module")
def stack(metrics_ports: dict[str, int]) -> Iterator[Stack]:
    """One that says what it counts."""
    environment = {
        "CSP_GATEWAY_METRICS_PORT": str(metrics_ports["csp-gateway"]),
        "CSP_PROXY_METRICS_PORT": str(metrics_ports["csp-model-proxy"]),
    }
    with Stack(environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def operator(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real operator's metrics. It has one pool, whose pods nobody runs."""
    port, namespace = free_port(), api_server.create_namespace()
    for service, service_port in (("csp-model-proxy", 8402), ("csp-egress-proxy", 3128)):
        api_server.kubectl(
            "-n", namespace, "create", "service", "clusterip", service, f"--tcp={service_port}"
        )
    api_server.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(_POOL))
    process = ServerProcess(
        [sys.executable, "-m", "csp_operator"],
        log=tmp_path_factory.mktemp("operator") / "log",
        environment={
            **api_server.environment(),
            "CSP_OPERATOR_NAMESPACES": namespace,
            "CSP_OPERATOR_LEASE_NAMESPACE": namespace,
            "CSP_OPERATOR_SERVICES_NAMESPACE": namespace,
            "CSP_OPERATOR_METRICS_HOST": "127.0.0.1",
            "CSP_OPERATOR_METRICS_PORT": str(port),
        },
    )
    try:
        process.wait_listening(port)
        yield port
    finally:
        process.stop(20)


@pytest.fixture(scope="module")
def prometheus(
    stack: Stack,
    metrics_ports: dict[str, int],
    operator: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Prometheus]:
    """Debian's, with the jobs as the chart's ServiceMonitors name them."""
    program = require("prometheus")
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    targets = {**metrics_ports, "csp-operator": operator}
    jobs = [
        {
            "job_name": job,
            "honor_labels": True,
            "static_configs": [
                {"targets": [f"127.0.0.1:{target}"], "labels": {"namespace": NAMESPACE}}
            ],
        }
        for job, target in targets.items()
    ]
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    process = ServerProcess(
        [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder}",
         f"--web.listen-address=127.0.0.1:{port}"],
        log=folder / "log",
    )  # fmt: skip
    try:
        process.wait_listening(port)
        made = Prometheus(f"http://127.0.0.1:{port}")
        wait_until_sync(
            lambda: len(made.query(f"sum_over_time(up[10m]) >= {_SCRAPES}")) == len(targets),
            90,
            f"{_SCRAPES} scrapes of {sorted(targets)}",
        )
        # The pool appears when the operator has become the leader and has looked at it.
        wait_until_sync(
            lambda: made.query("count_over_time(csp_operator_pool_pods[1m]) >= 2"),
            90,
            "the operator measuring its pool",
        )
        yield made
    finally:
        process.stop(20)


@pytest.fixture(scope="module", autouse=True)
async def used(stack: Stack) -> None:
    """A turn, so that costs and latencies are more than zeros."""
    async with stack.client() as client:
        session = await new_session(client)
        await client.post(f"/sessions/{session}/events", json={"events": [message("Say hello.")]})
        await until_event(client, session, "span.turn_end")


def _queries() -> dict[str, str]:
    boards = {
        f"{board.name}-{number}": query
        for board in DASHBOARDS
        for number, query in enumerate(board.queries())
    }
    return {**{alert.name: alert.value for alert in ALERTS}, **boards}


def _asked(query: str) -> str:
    """With Grafana's variables as it would fill them in."""
    for name, value in {
        "$namespace": ".*", "$__rate_interval": "1m", "$__range": "1h"
    }.items():  # fmt: skip
        query = query.replace(name, value)
    return query


@pytest.mark.parametrize(("name", "query"), _queries().items(), ids=_queries().keys())
def test_a_query_returns_data(prometheus: Prometheus, name: str, query: str) -> None:
    assert prometheus.query(_asked(query)) != [], f"{name}: {query}"


def test_an_installation_that_is_well_raises_no_alert(prometheus: Prometheus) -> None:
    for alert in ALERTS:
        if alert.name == "CspPoolEmpty":
            continue  # nothing runs pods here
        assert prometheus.query(alert.expression) == [], alert.name


def test_dashboards_are_what_grafana_reads() -> None:
    folder = ROOT / "charts" / "csp" / "dashboards"
    found = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
    assert set(found) == {board.name for board in DASHBOARDS}
    for name, board in found.items():
        assert board["uid"] == f"csp-{name}"
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        known = {variable["name"] for variable in board["templating"]["list"]}
        text = Path(folder / f"{name}.json").read_text()
        for variable in ("namespace", "datasource"):
            assert variable in known
            assert f"${{{variable}}}" in text or f"${variable}" in text
