"""A cluster of one node made of processes of this machine: no Docker, no virtual machine.

The programs are the ones that every cluster runs; what is special is where: in a box of namespaces
whose end leaves nothing behind. Needs root on Linux.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from e2e.node import binaries, packages, pause
from e2e.node.box import Box, InsideProcess, remove_leftovers
from e2e.node.controlplane import ControlPlane, Layout
from e2e.node.kubelet import NAME, Kubelet, start_names, start_proxy
from e2e.node.report import say
from e2e.node.runtime import ContainerRuntime
from support.processes import ServerProcess
from support.waiting import wait_until_sync

DEBIAN = (
    "etcd-server", "containerd", "runc", "containernetworking-plugins", "iptables", "conntrack",
    "iproute2",
)  # fmt: skip

POD_USER = 10001
"""The user of all of csp's pods."""


class NativeCluster:
    """See Cluster."""

    reaches_services = True

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise binaries.MissingBinaries(
                "The native node needs root: it makes namespaces and control groups. "
                "CSP_E2E_PROVIDER=kind needs Docker instead."
            )
        packages.install(DEBIAN)
        binaries.build()
        remove_leftovers()
        self._services: InsideProcess | None = None
        self._names: ServerProcess | None = None
        self.box = Box()
        addresses = self.box.addresses
        try:
            self.box.open()
            layout = Layout(
                address=addresses.node,
                port=6443,
                services=addresses.services,
                pods=addresses.pods,
                enter=self.box.network,
            )
            self.head = ControlPlane(self.box.directory, layout)
            self.runtime = ContainerRuntime(self.box)
            self.kubelet = Kubelet(self.box, self.head)
        except BaseException:
            self.box.close()
            raise

    @property
    def kubeconfig(self) -> Path:
        return self.head.admin

    def start(self) -> None:
        began = time.monotonic()
        self.runtime.start()
        self.head.start()
        self.head.start_controllers()
        self.head.start_scheduler()
        self.runtime.load(pause.archive(binaries.CACHE))
        self.kubelet.start()
        # The first ends with the box, the second shares only its network.
        self._services = start_proxy(self.box, self.head)
        self._names = start_names(self.box, self.head)
        wait_until_sync(self._node_ready, 120, "the node being Ready")
        say(f"the node is Ready after {time.monotonic() - began:.0f} s")

    def load(self, archive: Path) -> None:
        self.runtime.load(archive)

    def volume(self, name: str) -> Mapping[str, Any] | None:
        inside = Path("/var/lib/csp-volumes", name)
        # The box's /var/lib, from outside. No kubelet gives a host's path to a pod's group.
        outside = self.box.directory / "lib" / inside.relative_to("/var/lib")
        outside.mkdir(parents=True, exist_ok=True)
        os.chown(outside, POD_USER, POD_USER)
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": str(inside)},
            },
        }

    def kill_in_pod(self, pod_uid: str, program: str) -> None:
        killed = 0
        # Containers have process namespaces of their own, below the box's.
        for pid in psutil.pids():
            try:
                process = psutil.Process(pid)
                groups = Path(f"/proc/{pid}/cgroup").read_text()
                if pod_uid in groups and any(program in part for part in process.cmdline()):
                    process.send_signal(signal.SIGKILL)
                    killed += 1
            except (psutil.Error, OSError):
                continue
        if not killed:
            raise RuntimeError(f"no process of the pod {pod_uid} runs {program}")

    def stop_api_server(self) -> None:
        self.head.stop_api_server()

    def start_api_server(self) -> None:
        self.head.start_api_server()
        wait_until_sync(self._node_ready, 120, "the node being Ready again")

    def close(self) -> None:
        if self._names is not None:
            self._names.kill()
        self.head.kill()
        self.box.close()

    def _node_ready(self) -> bool:
        try:
            node = self.head.get(f"/api/v1/nodes/{NAME}")
        except OSError:
            return False
        return '"type":"Ready"' in node and '"reason":"KubeletReady"' in node
