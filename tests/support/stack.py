"""A whole local installation under test: `csp up` as a person starts it, in a directory of its own.

The model is the scripted one without delays, the ports are free ones, and everything that runs is
found again by its data directory, so that a test can kill one part and later list what survived.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Self

import httpx
import psutil

from csp_controlplane.supervisor.access import OwnerAccess
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.lock import Instance, read_instance
from support.processes import ServerProcess, processes_of, quiet_port
from support.waiting import wait_until_sync

_READY_WITHIN = 110.0


class Stack:
    """One `csp up`. Use it as a context manager, or call `start` and `close`."""

    def __init__(self, *options: str, environment: Mapping[str, str] | None = None) -> None:
        # Short, because unix sockets lie in it.
        self.directory = Path(tempfile.mkdtemp(prefix="csp-up-"))
        self.layout = Layout(self.directory / "data")
        self.layout.data.mkdir(mode=0o700)
        self._options = ["--port", str(quiet_port()), *options]
        self._environment = {
            "CSP_DATA_DIR": str(self.layout.data),
            "CSP_SCRIPTED_WORD_DELAY_MS": "0",
            "CSP_SUPERVISOR_WARM": "1",
            # Empty counts as unset: a developer's own key must not reach a real model from a test.
            "ANTHROPIC_API_KEY": "",
            **(environment or {}),
        }
        self._process: ServerProcess | None = None
        self._api_key: str | None = None

    @property
    def process(self) -> ServerProcess:
        """The `csp up` process."""
        if self._process is None:
            raise RuntimeError("this stack is not started")
        return self._process

    @property
    def instance(self) -> Instance:
        """What the running installation says of itself: url, database_url, ports, ..."""
        instance = read_instance(self.layout)
        if instance is None:
            raise RuntimeError(f"nothing runs on {self.layout.data}:\n{self.process.tail()}")
        return instance

    @property
    def url(self) -> str:
        return self.instance.url

    @property
    def api_key(self) -> str:
        """Of the first user."""
        if self._api_key is None:
            # In a thread, because the caller may be inside an event loop.
            with ThreadPoolExecutor(1) as thread:
                self._api_key = thread.submit(asyncio.run, self._make_key()).result()
        return self._api_key

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.api_key}

    def client(self) -> httpx.AsyncClient:
        """Signed in by API key, relative to /api/v1. Close it."""
        return httpx.AsyncClient(
            base_url=f"{self.url}/api/v1", headers=self.headers, trust_env=False, timeout=30
        )

    def start(self) -> Self:
        """Starts it, on the same data when it ran before; returns when it is ready."""
        csp = Path(sys.executable).with_name("csp")
        process = ServerProcess(
            [csp, "up", *self._options],
            log=self.directory / "csp.log",
            environment=self._environment,
        )
        self._process = process

        def ready() -> bool:
            if not process.running:
                raise RuntimeError(f"csp up ended with {process.returncode}:\n{process.tail(60)}")
            # A file that an earlier, killed run left behind names a process that is not ours.
            instance = read_instance(self.layout)
            ours = {process.pid, *(child.pid for child in psutil.Process(process.pid).children())}
            return instance is not None and instance.ready and instance.pid in ours

        try:
            wait_until_sync(ready, _READY_WITHIN, "csp up being ready")
            _ = self.api_key
        except BaseException:
            process.stop(30)
            raise
        return self

    def pids(self, module: str) -> list[int]:
        """Living processes of `python -m <module>`, e.g. csp_controlplane.gateway or csp_worker."""
        return [
            process.pid
            for process in self.survivors()
            if (command := _command(process)) and module in command
        ]

    def pid(self, module: str) -> int:
        """The only one of its kind."""
        (only,) = self.pids(module)
        return only

    def survivors(self) -> list[psutil.Process]:
        """Everything that runs for this installation, `csp up` included."""
        return processes_of(self.directory)

    def stop(self) -> None:
        """As Ctrl-C does, once: a second signal at the same time might count as a second one."""
        self.process.interrupt(60)

    def kill_everything(self) -> None:
        """SIGKILL to every process at once: what a power cut leaves."""
        for process in self.survivors():
            # Some die with the ones before them.
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.kill()

    def close(self) -> None:
        """Stops it and removes its data. What survived is killed, and is the test's failure."""
        if self._process is not None:
            self.stop()
        left = self.survivors()
        described = [f"{process.pid}: {' '.join(_command(process))}" for process in left]
        for process in left:
            process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        if left:
            raise AssertionError("left behind by csp up:\n" + "\n".join(described))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _make_key(self) -> str:
        async with OwnerAccess.open(self.instance.database_url) as access:
            return await access.short_lived_key("test", timedelta(days=1))


def _command(process: psutil.Process) -> list[str]:
    try:
        command: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return command
