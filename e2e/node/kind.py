"""A cluster of one node that kind makes in Docker, for machines without root or without Debian.

UNVERIFIED: written against kind's command line; the machine on which the tests are run has no
Docker. The tests are the same ones.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2e.node import binaries
from e2e.node.provider import run
from e2e.node.report import say
from support.waiting import wait_until_sync

_MANIFESTS = "/etc/kubernetes/manifests"


class KindCluster:
    """See Cluster."""

    reaches_services = False

    def __init__(self) -> None:
        if shutil.which("kind") is None or shutil.which("docker") is None:
            raise binaries.MissingBinaries("CSP_E2E_PROVIDER=kind needs kind and docker.")
        say("UNVERIFIED: the provider kind is not part of csp's own tests")
        binaries.build(programs=["kubectl", "helm"])
        self.directory = Path(tempfile.mkdtemp(prefix="csp-kind-"))
        self._name = f"csp-e2e-{os.getpid()}"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    def start(self) -> None:
        run(
            ["kind", "create", "cluster", "--name", self._name, "--wait", "180s",
             "--kubeconfig", self.kubeconfig],
            timeout=600,
        )  # fmt: skip

    def load(self, archive: Path) -> None:
        run(["kind", "load", "image-archive", archive, "--name", self._name], timeout=600)

    def volume(self, name: str) -> Mapping[str, Any] | None:
        return None

    def kill_in_pod(self, pod_uid: str, program: str) -> None:
        # Pods are processes of the node's container. Their groups are named after the pod, in one
        # of two spellings.
        node = f"{self._name}-control-plane"
        script = (
            "for p in /proc/[0-9]*; do "
            f"if grep -qE '{pod_uid}|{pod_uid.replace('-', '_')}' $p/cgroup 2>/dev/null "
            f"&& tr '\\0' ' ' < $p/cmdline | grep -qF '{program}'; "
            "then kill -9 ${p#/proc/}; fi; done"
        )
        run(["docker", "exec", node, "sh", "-c", script])

    def stop_api_server(self) -> None:
        # The node's kubelet runs what lies in this folder.
        self._move_api_server(_MANIFESTS, "/root")

    def start_api_server(self) -> None:
        self._move_api_server("/root", _MANIFESTS)
        answers: list[str | Path] = [
            binaries.require("kubectl")["kubectl"],
            "--kubeconfig",
            self.kubeconfig,
        ]

        def ready() -> bool:
            try:
                return run([*answers, "get", "--raw", "/readyz"]) == "ok"
            except RuntimeError:
                return False

        wait_until_sync(ready, 180, "the API server being ready again")

    def _move_api_server(self, source: str, target: str) -> None:
        name = "kube-apiserver.yaml"
        moved = ("mv", f"{source}/{name}", f"{target}/{name}")
        run(["docker", "exec", f"{self._name}-control-plane", *moved])

    def close(self) -> None:
        run(["kind", "delete", "cluster", "--name", self._name], timeout=120)
        shutil.rmtree(self.directory, ignore_errors=True)
