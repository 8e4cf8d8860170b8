"""A real PostgreSQL server for tests, from the binaries that `csp up` uses.

CSP_TEST_POSTGRES_BIN names another installation's bin directory, to test on an older PostgreSQL.
Migrations run once into a template database; each test gets a copy of it, which takes some tens of
milliseconds.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from csp_controlplane.store.migrate import migrate
from csp_controlplane.supervisor.postgres import binaries, system_user
from support.processes import ServerProcess
from support.waiting import wait_until_sync

TEMPLATE = "csp_template"

# Durability is switched off for speed: a test's data need not survive the machine, only the server.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "listen_addresses": "",
}


class PostgresServer:
    """One server on a unix socket in a directory of its own. `close()` removes everything."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._settings = {**_SETTINGS, **(settings or {})}
        # Short, because a unix socket's path is limited to about 100 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="csp-pg-"))
        self._data = self.directory / "data"
        self._user = system_user()
        self._binaries = _binaries(self.directory, self._user)
        self._names = count(1)
        self._process: ServerProcess | None = None
        if self._user is not None:
            os.chown(self.directory, *self._user)
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "utf8",
                  "--locale=C", "--no-sync", "--no-instructions")  # fmt: skip

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.directory}"

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        if self._process is None:
            raise RuntimeError("this PostgreSQL server is not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    def ready(self) -> bool:
        """Whether it accepts connections."""
        return self._run("pg_isready", "-q", "-h", self.directory, check=False) == 0

    def start(self) -> None:
        """Starts on the same data again after a stop or a kill; returns when it accepts."""
        settings = {**self._settings, "unix_socket_directories": str(self.directory)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        process = ServerProcess(
            [self._binaries / "postgres", "-D", self._data, *options],
            log=self.directory / "log",
            user=self._user,
            directory=self.directory,
        )
        self._process = process

        def ready() -> bool:
            if not process.running:
                raise RuntimeError(f"PostgreSQL ended at its start:\n{process.tail()}")
            return self.ready()

        wait_until_sync(ready, 60, "PostgreSQL accepting connections")

    def stop(self) -> None:
        """A fast shutdown: clients are disconnected, nothing committed is lost."""
        if self._process is not None and self._process.running:
            self._process.signal(signal.SIGINT)
            self._process.stop()

    def kill(self) -> None:
        """What a crash does: the server recovers from its log at the next start."""
        if self._process is not None and self._process.running:
            self._process.signal(signal.SIGQUIT)
            self._process.stop()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def create_template(self) -> None:
        """The newest schema, once per server."""
        self.sql(f"create database {TEMPLATE}")
        migrate(self.url(TEMPLATE))

    def create_database(self, name: str | None = None) -> str:
        """The URL of a fresh, migrated database."""
        name = name or f"test_{next(self._names)}"
        self.sql(f"create database {name} template {TEMPLATE}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Disconnects whoever still uses it."""
        name = url.removeprefix("postgresql://postgres@/").split("?")[0]
        self.sql(f"drop database if exists {name} with (force)")

    def sql(self, statement: str) -> None:
        """As the superuser, outside any transaction."""
        self._run("psql", "-h", self.directory, "-U", "postgres", "-d", "postgres", "-X", "-q",
                  "-v", "ON_ERROR_STOP=1", "-c", statement)  # fmt: skip

    def _run(self, program: str, *arguments: str | Path, check: bool = True) -> int:
        done = subprocess.run(
            [str(self._binaries / program), *map(str, arguments)],
            capture_output=True,
            text=True,
            user=self._user[0] if self._user else None,
            group=self._user[1] if self._user else None,
            cwd=self.directory,
            timeout=120,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.returncode


def _binaries(directory: Path, user: tuple[int, int] | None) -> Path:
    """Where initdb and postgres are; a copy when the other user cannot reach the installation."""
    chosen = os.environ.get("CSP_TEST_POSTGRES_BIN")
    installed = Path(chosen) if chosen else binaries()
    if user is None or all(parent.stat().st_mode & 0o001 for parent in installed.parents):
        return installed
    copy = directory / "pginstall"
    shutil.copytree(installed.parent, copy)
    return copy / "bin"
