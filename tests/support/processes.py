"""Real processes under a test's control: started with their log in a file, ended by their pid.

Every part under test is its own process, as in production. A process that a test starts is in a
group of its own, so that ending it can take its children along, and no test ever ends a process by
name.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from csp_controlplane.supervisor.child import LAUNCHER
from support.waiting import wait_until_sync


def free_port() -> int:
    """A TCP port of the loopback address that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def quiet_port() -> int:
    """One that is free with its neighbour, and that the kernel gives to no connection meanwhile.

    For a server that binds it only seconds later; Linux takes ports from 32768 on by itself.
    """
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe, socket.socket() as neighbour, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            neighbour.bind(("127.0.0.1", port + 1))
            return port


def listens(port: int) -> bool:
    """Whether something accepts connections on the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def processes_of(marker: str | Path) -> list[psutil.Process]:
    """Living processes with `marker` in their arguments, working directory or environment.

    The marker is something only these processes have, such as a test's data directory. The test
    process itself is not among them, and neither is a zombie, which only waits to be collected.
    Workers, guards and CLIs close all but their arguments to their own user: they have it there.
    """
    wanted = str(marker)
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        try:
            if process.status() != psutil.STATUS_ZOMBIE and _mentions(process, wanted):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _bound_to_this_process(user: tuple[int, int] | None) -> list[str]:
    """What ends a server when the tests are killed: the product's own launcher."""
    uid, gid = map(str, user) if user else ("-", "-")
    death = str(int(signal.SIGKILL))
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), death, uid, gid]


def _mentions(process: psutil.Process, wanted: str) -> bool:
    if any(wanted in argument for argument in process.cmdline()):
        return True
    try:
        if process.cwd().startswith(wanted):
            return True
        return any(wanted in value for value in process.environ().values())
    except psutil.AccessDenied:  # a process that made itself non-dumpable
        return False


class ServerProcess:
    """One child process with a log file, in its own process group."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        user: tuple[int, int] | None = None,
        directory: Path | None = None,
    ) -> None:
        """`user`: the ids of the user and group to run as, when this is root."""
        self.arguments = [str(argument) for argument in arguments]
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_bound_to_this_process(user), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                cwd=directory,
            )

    @classmethod
    def module(cls, module: str, *, log: Path, environment: Mapping[str, str]) -> Self:
        """`python -m <module>` with this interpreter."""
        return cls([sys.executable, "-m", module], log=log, environment=environment)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def tail(self, lines: int = 30) -> str:
        """The end of the log, for a failure's message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_listening(self, port: int, deadline: float = 90.0) -> None:
        """Returns when the port accepts; raises with the log's end when the process ended first."""

        def ready() -> bool:
            if not self.running:
                raise RuntimeError(f"{self.arguments} ended with {self.returncode}:\n{self.tail()}")
            return listens(port)

        wait_until_sync(ready, deadline, f"{self.arguments} listening on port {port}")

    def wait(self, deadline: float = 10.0) -> int:
        """Its exit code, once it has ended by itself."""
        return self._process.wait(deadline)

    def signal(self, number: signal.Signals) -> None:
        """Sends to the process alone."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL to the process alone: what a crash does. Its children are left to themselves."""
        if self.running:
            self._process.kill()
        self._process.wait(10)

    def stop(self, deadline: float = 10.0) -> None:
        """SIGTERM, then SIGKILL to what is left of its group after the deadline."""
        self._end(signal.SIGTERM, deadline)

    def interrupt(self, deadline: float = 10.0) -> None:
        """The same with SIGINT."""
        self._end(signal.SIGINT, deadline)

    def _end(self, number: int, deadline: float) -> None:
        if self.running:
            self._process.send_signal(number)
            try:
                self._process.wait(deadline)
            except subprocess.TimeoutExpired:
                self._kill_group()
        self._process.wait(5)

    def _kill_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
