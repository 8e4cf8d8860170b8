"""The operator as a process of its own, on a test's API server."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from support.processes import ServerProcess, free_port

# Times that a test can wait for; everything else is as in production.
QUICK = {
    "CSP_OPERATOR_LEASE_SECONDS": "3",
    "CSP_OPERATOR_LEASE_RENEW_SECONDS": "2",
    "CSP_OPERATOR_LEASE_RETRY_SECONDS": "0.2",
    "CSP_OPERATOR_RESYNC_SECONDS": "5",
    "CSP_OPERATOR_REQUEST_SECONDS": "3",
    "CSP_OPERATOR_IDLE_MARGIN_SECONDS": "0",
    "CSP_OPERATOR_GATEWAY_SILENCE_SECONDS": "4",
    "CSP_LOG_LEVEL": "info",
}
_numbers = count(1)


class OperatorProcess:
    """One replica that serves one namespace. A context manager."""

    def __init__(
        self,
        kubeconfig: Path,
        namespace: str,
        directory: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        number = next(_numbers)
        self.identity = f"operator-{number}"
        self.port = free_port()
        self.log = directory / f"{self.identity}.log"
        self._environment = {
            **QUICK,
            "KUBECONFIG": str(kubeconfig),
            "CSP_OPERATOR_NAMESPACES": namespace,
            "CSP_OPERATOR_LEASE_NAMESPACE": namespace,
            "CSP_OPERATOR_SERVICES_NAMESPACE": namespace,
            "CSP_OPERATOR_IDENTITY": self.identity,
            "CSP_OPERATOR_METRICS_HOST": "127.0.0.1",
            "CSP_OPERATOR_METRICS_PORT": str(self.port),
            **(environment or {}),
        }
        self.process: ServerProcess | None = None

    def start(self) -> None:
        self.process = ServerProcess.module(
            "csp_operator", log=self.log, environment=self._environment
        )
        self.process.wait_listening(self.port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            print(f"--- {self.identity}\n{self.tail()}")
        self.stop()

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()

    def tail(self) -> str:
        return self.process.tail(60) if self.process else ""

    def metric(self, name: str) -> float:
        """The sum of a metric's samples; `name` may have labels in braces."""
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics").text
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith((f"{name} ", f"{name}{{"))
        )

    @property
    def leads(self) -> bool:
        return self.metric("csp_operator_leader") == 1
