"""What a test needs of a cluster, whoever provides it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class Cluster(Protocol):
    """A cluster with one node. `close()` leaves nothing of it on the machine."""

    @property
    def kubeconfig(self) -> Path:
        """Of a user who may do everything."""

    @property
    def reaches_services(self) -> bool:
        """Whether the machine reaches the addresses of Services."""

    def start(self) -> None:
        """Returns when the node is Ready and names are answered."""

    def load(self, archive: Path) -> None:
        """Makes the images of a docker archive available to pods."""

    def volume(self, name: str) -> Mapping[str, Any] | None:
        """A PersistentVolume that any claim without a class may bind; None where a default class
        makes volumes by itself."""

    def kill_in_pod(self, pod_uid: str, program: str) -> None:
        """SIGKILL to the processes of a pod that run this program."""

    def stop_api_server(self) -> None:
        """It goes away; everything that talks to it lives on."""

    def start_api_server(self) -> None:
        """Returns when it is ready again, with what it had."""

    def close(self) -> None: ...


def run(arguments: Sequence[str | Path], *, input: str | None = None, timeout: float = 120) -> str:
    """A command's standard output. Raises RuntimeError with what it said on standard error."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        input=input,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))} failed: {done.stderr.strip()}")
    return done.stdout
