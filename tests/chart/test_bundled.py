"""The bundled PostgreSQL and Valkey start by the chart's scripts, with real servers."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from chart.rendering import CHART
from csp_controlplane.supervisor.postgres import binaries, system_user
from csp_controlplane.supervisor.valkey import binary
from support.processes import ServerProcess, free_port
from support.waiting import wait_until_sync

_READY_WITHIN = 90


class BundledPostgres:
    """The script and its readiness probe, with folders and a port that a test can have."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="csp-bp-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self._user = system_user()
        if self._user:
            os.chown(self.folder, *self._user)
        for name in ("run-postgresql.sh", "postgresql-ready.sh"):
            text = (CHART / "files" / name).read_text().replace("/tmp", str(self.folder))
            (self.folder / name).write_text(text)

    def environment(self, password: str) -> dict[str, str]:
        return {
            "PATH": f"{binaries()}:{os.environ['PATH']}",
            "PGDATA": str(self.folder / "data"),
            "PGPORT": str(self.port),
            "CSP_POSTGRESQL_PASSWORD": password,
        }

    def start(self, password: str) -> ServerProcess:
        """Returns when the chart's own probe says that it is ready."""
        environment = self.environment(password)
        process = ServerProcess(
            ["/bin/sh", self.folder / "run-postgresql.sh"],
            log=self.folder / "log",
            environment=environment,
            user=self._user,
            directory=self.folder,
        )

        def ready() -> bool:
            if not process.running:
                raise RuntimeError(process.tail())
            probe = ["/bin/sh", str(self.folder / "postgresql-ready.sh")]
            return subprocess.run(probe, env=environment).returncode == 0

        wait_until_sync(ready, _READY_WITHIN, "the bundled PostgreSQL being ready")
        return process

    def url(self, password: str) -> str:
        return f"postgresql://csp:{password}@127.0.0.1:{self.port}/csp"


@pytest.fixture
def bundled() -> Iterator[BundledPostgres]:
    made = BundledPostgres()
    yield made
    shutil.rmtree(made.folder, ignore_errors=True)


async def ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_postgresql_keeps_its_data_and_takes_the_releases_password(
    bundled: BundledPostgres,
) -> None:
    process = bundled.start("first'\"$ecret")
    try:
        url = bundled.url("first%27%22$ecret")
        await ask(url, "create table kept as select 42 as answer")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(bundled.url("wrong"), "select 1")
    finally:
        process.stop(30)

    # As after a reinstallation: the volume is there, the Secret is a new one.
    process = bundled.start("second")
    try:
        assert await ask(bundled.url("second"), "select answer from kept") == 42
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(url, "select 1")
    finally:
        process.stop(30)


async def test_postgresql_recovers_from_a_container_that_was_killed(
    bundled: BundledPostgres,
) -> None:
    process = bundled.start("secret")
    await ask(bundled.url("secret"), "create table kept as select 42 as answer")
    process.kill()
    process._kill_group()
    assert (bundled.folder / "data" / "postmaster.pid").exists()

    process = bundled.start("secret")
    try:
        assert await ask(bundled.url("secret"), "select answer from kept") == 42
    finally:
        process.stop(30)


def test_no_password_stays_in_the_servers_environment(bundled: BundledPostgres) -> None:
    process = bundled.start("not-to-be-seen")
    try:
        left = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert b"not-to-be-seen" not in left
    finally:
        process.stop(30)


async def test_valkey_asks_for_the_releases_password(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "valkey-server").symlink_to(binary())
    port = free_port()
    text = (CHART / "files" / "run-valkey.sh").read_text()
    script = tmp_path / "run.sh"
    script.write_text(
        text.replace("dir /data", f"dir {tmp_path}\nport {port}").replace("-::*", "-::1")
    )
    process = ServerProcess(
        ["/bin/sh", script],
        log=tmp_path / "log",
        environment={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CSP_VALKEY_PASSWORD": "secret",
        },
    )
    try:
        process.wait_listening(port, 30)
        async with Redis(host="127.0.0.1", port=port, password="secret") as client:
            assert await client.ping()
        async with Redis(host="127.0.0.1", port=port) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.get("x")
        assert b"secret" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    finally:
        process.stop()
