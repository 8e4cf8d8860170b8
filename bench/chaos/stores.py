"""The stores of a chaos run, with relays before them that can be cut or slowed.

The database lies on a small disk of its own where the system allows that, so that it can be filled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import asyncpg
import psutil

from support.casualties import Family
from support.choke import Choke
from support.postgres import PostgresServer
from support.valkey import ValkeyServer
from support.waiting import DeadlineExceeded, wait_until, wait_until_sync

SOCKET = ".s.PGSQL.5432"
DISK = "size=700m,mode=0700"
CACHE = "cache"


class Stores:
    """Real servers. `start` blocks; `stack` ends them."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._ballast: Path | None = None
        self.relays: dict[str, Choke] = {}
        self.database_url = ""

    def start(self, clients: Sequence[str]) -> None:
        """`clients`: who reaches the database through a relay of its own."""
        self.postgres = PostgresServer({"shared_buffers": "64MB"})
        self._stack.callback(self.postgres.close)
        self._small_disk(self.postgres.directory)
        self.postgres.start()
        self.postgres.create_template()
        self.database_url = self.postgres.create_database("chaos")
        self.valkey = ValkeyServer()
        self._stack.callback(self.valkey.close)
        self.valkey.start()
        for name in clients:
            here = self._directory / f"db-{name}" / SOCKET
            here.parent.mkdir()
            relay = Choke(here, self.postgres.directory / SOCKET)
            self.relays[name] = self._stack.enter_context(relay)
        here = self._directory / CACHE / "s"
        here.parent.mkdir()
        there = Path(self.valkey.url.removeprefix("unix://"))
        self.relays[CACHE] = self._stack.enter_context(Choke(here, there))

    def url_for(self, client: str) -> str:
        """The database, through the client's relay."""
        direct = str(self.postgres.directory)
        return self.database_url.replace(direct, str(self._directory / f"db-{client}"))

    @property
    def cache_url(self) -> str:
        """The cache, through its relay."""
        return f"unix://{self._directory / CACHE / 's'}"

    # ---- blows

    def kill_postgres(self) -> None:
        """All of it at once, and a start on what it left."""
        _must_run(self.postgres.running, "PostgreSQL")
        family = Family.of(self.postgres.pid)
        family.kill()
        for process in family.below:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs([family.head, *family.below], timeout=10)
        self.postgres.start()

    def revive_postgres(self) -> None:
        """After a full disk: a server that could not write its own log ends, or recovers."""

        def up() -> bool:
            if not self.postgres.running:
                self.postgres.start()
            return self.postgres.ready()

        wait_until_sync(up, 60, "PostgreSQL accepting connections again")

    def kill_valkey(self) -> None:
        _must_run(self.valkey.running, "Valkey")
        self.valkey.kill()
        self.valkey.start()

    async def read_only(self, on: bool) -> None:
        """For every session that begins a transaction from now on."""
        connection = await asyncpg.connect(self.database_url)
        try:
            await connection.execute("set default_transaction_read_only = off")
            word = "on" if on else "off"
            await connection.execute(f"alter system set default_transaction_read_only = {word}")
            await connection.execute("select pg_reload_conf()")
        finally:
            await connection.close()

    @property
    def can_be_full(self) -> bool:
        """Whether the database has a disk of its own here."""
        return self._ballast is not None

    def fill(self, full: bool) -> None:
        """Takes all the room that the database has, or gives it back."""
        assert self._ballast is not None, "no disk of its own"
        if not full:
            self._ballast.unlink(missing_ok=True)
            return
        with suppress(OSError), self._ballast.open("wb") as file:
            while True:
                file.write(b"\0" * 65536)
                file.flush()

    async def next_epoch_at(self, session: str, epoch: int, n: int, deadline: float) -> bool:
        """Waits until a later epoch of the session has come as far as this number."""
        connection = await asyncpg.connect(self.database_url)

        async def there() -> bool:
            row = await connection.fetchrow(
                "select epoch, next_n from sessions where id = $1", session
            )
            return bool(row and row["epoch"] > epoch and row["next_n"] >= n)

        try:
            return await wait_until(there, deadline, "the next epoch", 0.005)
        except DeadlineExceeded:
            return False
        finally:
            await connection.close()

    def _small_disk(self, at: Path) -> None:
        """Nothing where file systems cannot be mounted."""
        data = at / "data"
        held = at / "held"
        data.rename(held)
        data.mkdir()
        shutil.copystat(held, data)
        mount = ["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", str(data)]
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        owner = held.stat()
        os.chown(data, owner.st_uid, owner.st_gid)
        shutil.copytree(held, data, dirs_exist_ok=True)
        for path in data.rglob("*"):
            os.chown(path, owner.st_uid, owner.st_gid)
        shutil.rmtree(held)
        if mounted:
            self._ballast = data / "ballast"
            unmount = ["umount", "--lazy", str(data)]
            self._stack.callback(subprocess.run, unmount, check=False)
            # Stopped before its disk goes: callbacks run in the opposite order.
            self._stack.callback(self.postgres.stop)


def _must_run(runs: bool, what: str) -> None:
    """What has ended by itself cannot be killed, and nobody expected its end."""
    if not runs:
        raise RuntimeError(f"{what} had ended by itself")
