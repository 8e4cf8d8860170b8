"""The real servers that tests run against, one set per pytest process.

Nothing of the product is replaced by a double: PostgreSQL, Valkey, the workers, the CLI and the
scripted model are the processes that `csp up` starts. Servers live for the session; data is fresh
for each test.
"""

from __future__ import annotations

import os

# Tests start servers while gRPC is at work in this process. Its fork handlers then break calls off
# ("Internal error from Core"), and what is started replaces itself with another program at once.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from csp_controlplane.store.database import Database
from support import apiserver, debian
from support.apiserver import ApiServer
from support.browser import MISSING, find_browser
from support.postgres import PostgresServer
from support.processes import ServerProcess, free_port
from support.stack import Stack
from support.valkey import ValkeyServer

ROOT = Path(__file__).resolve().parents[1]


def pytest_xdist_auto_num_workers() -> int:
    """Tests wait more than they compute: one more than there are processors."""
    return min(6, (os.cpu_count() or 1) + 1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if find_browser() is None:
        terminalreporter.write_line(f"\n{MISSING}\n", red=True, bold=True)
    for reason in (apiserver.missing(), debian.missing()):
        if reason is not None:
            terminalreporter.write_line(f"\n{reason}\n", red=True, bold=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL with the migrated template. Shared: a test that stops it makes its own
    `PostgresServer` instead."""
    server = PostgresServer()
    try:
        server.start()
        server.create_template()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def new_database(postgres: PostgresServer) -> Callable[[], str]:
    """Makes fresh migrated databases, for fixtures with a scope of their own."""
    return postgres.create_database


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    """A fresh migrated database, dropped after the test. Its user is the owner and migrates."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """The application's pool on a fresh database: csp_app, with row level security in force."""
    database = await Database.connect(database_url, application="csp-test")
    yield database
    await database.close()


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """A running Valkey. Shared: a test that stops it makes its own `ValkeyServer` instead."""
    server = ValkeyServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """An empty Valkey for this test."""
    valkey.flush()
    return valkey.url


@dataclass(frozen=True)
class ScriptedModel:
    """The scripted Messages API as a process of its own."""

    base_url: str
    process: ServerProcess


@pytest.fixture(scope="session")
def scripted_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedModel]:
    port = free_port()
    log: Path = tmp_path_factory.mktemp("scripted_model") / "log"
    environment = {"CSP_SCRIPTED_HOST": "127.0.0.1", "CSP_SCRIPTED_PORT": str(port)}
    with ServerProcess.module(
        "csp_controlplane.scripted_model", log=log, environment=environment
    ) as process:
        process.wait_listening(port)
        yield ScriptedModel(f"http://127.0.0.1:{port}", process)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The program of a Chromium. Without one the test is skipped, and in CI it fails."""
    path = find_browser()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    return path


@pytest.fixture(scope="session")
def kubernetes_programs() -> None:
    """etcd and kube-apiserver are there. Without them the test is skipped, and in CI it fails."""
    reason = apiserver.missing()
    if reason is not None:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def api_server(kubernetes_programs: None) -> Iterator[ApiServer]:
    """A running API server with our resource definitions. Shared: a test that stops it makes its
    own `ApiServer` instead (and asks for `kubernetes_programs`)."""
    with ApiServer() as server:
        server.apply_crds(ROOT / "crds")
        yield server


@pytest.fixture
def kube_namespace(api_server: ApiServer) -> str:
    """A fresh namespace."""
    return api_server.create_namespace()


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A whole `csp up` for the tests of one module. A test that breaks it makes its own `Stack`."""
    with Stack() as running:
        yield running
