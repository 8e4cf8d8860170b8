"""A real API server on a real etcd, for tests that need no node: there in a few seconds.

Nothing runs pods and nothing schedules: a test that needs a pod to be Ready writes its status. The
garbage collector and the namespace controller run on request. No admission gives pods a service
account, because no controller makes one.

Without the programs the tests are skipped, loudly, and in CI they fail: `make e2e-binaries` builds
them, and etcd is Debian's package etcd-server.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from e2e.node.binaries import MissingBinaries, require
from e2e.node.controlplane import ControlPlane, Layout

PROGRAMS = ("etcd", "kube-apiserver", "kubectl")


def missing() -> str | None:
    """What a person must do before the tests with an API server can run; None when nothing."""
    try:
        require(*PROGRAMS)
    except MissingBinaries as reason:
        return f"NO API SERVER: the tests that need a real kube-apiserver did not run. {reason}"
    return None


class ApiServer:
    """etcd and kube-apiserver on random ports. `close()` removes everything.

    `url`, `ca` and `token` are for plain HTTP clients; the token's user may do everything.
    """

    def __init__(self, *, controllers: Sequence[str] = (), flags: Sequence[str] = ()) -> None:
        """`controllers`: of the controller manager, such as garbage-collector-controller and
        namespace-controller. `flags`: more of the API server's."""
        self._controllers = tuple(controllers)
        self.directory = Path(tempfile.mkdtemp(prefix="csp-api-"))
        layout = Layout(service_accounts=False, flags=tuple(flags))
        self._head = ControlPlane(self.directory, layout)
        self.url = self._head.url
        self.ca = self._head.ca
        self.token = self._head.token
        self._names = count(1)
        self._issuing = threading.Lock()
        admin = ("admin", ("system:masters",))
        self._configs: dict[tuple[str, tuple[str, ...]], Path] = {admin: self._head.admin}

    def start(self) -> None:
        """Returns when the API server is ready."""
        self._head.start()
        if self._controllers:
            self._head.start_controllers(self._controllers)

    def kubeconfig(self, user: str = "admin", groups: Sequence[str] = ("system:masters",)) -> Path:
        """A kubeconfig file for this user and these groups, by client certificate. With other
        groups than the default the user may do what RBAC says and nothing else."""
        key = (user, tuple(groups))
        # Two at once would write one user's key beside the other's certificate.
        with self._issuing:
            if key not in self._configs:
                self._configs[key] = self._head.kubeconfig(user, groups)
            return self._configs[key]

    def environment(self) -> Mapping[str, str]:
        """What a process under test needs to reach this server."""
        return {"KUBECONFIG": str(self._head.admin)}

    def kubectl(self, *arguments: str | Path, input: str | None = None, check: bool = True) -> str:
        """kubectl's standard output, as the user who may do everything."""
        done = subprocess.run(
            [str(require("kubectl")["kubectl"]), *map(str, arguments)],
            env={**os.environ, **self.environment()},
            input=input,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def create_namespace(self) -> str:
        """The name of a fresh one."""
        name = f"test-{next(self._names)}"
        self.kubectl("create", "namespace", name)
        return name

    def apply_crds(self, directory: Path) -> None:
        """Installs the definitions in this folder and waits until they are served."""
        files = sorted(directory.glob("*.yaml"))
        arguments = [part for file in files for part in ("-f", str(file))]
        self.kubectl("apply", "--server-side", "--force-conflicts", *arguments)
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", *arguments)

    def audit(self) -> list[dict[str, Any]]:
        """Every finished request, as the audit log has it: verb, user, userAgent, objectRef,
        responseStatus, requestReceivedTimestamp."""
        return list(self._head.audit())

    def pause(self) -> None:
        """It accepts connections and answers nothing: what a hanging server looks like."""
        self._head.process("kube-apiserver").signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._head.process("kube-apiserver").signal(signal.SIGCONT)

    def stop(self) -> None:
        """The API server goes away; etcd keeps the data."""
        self._head.stop_api_server()

    def kill(self) -> None:
        """The same without a goodbye."""
        self._head.process("kube-apiserver").kill()

    @property
    def running(self) -> bool:
        return self._head.process("kube-apiserver").running

    def start_again(self) -> None:
        """After `stop` or `kill`, on the same address and data."""
        self._head.start_api_server()

    def close(self) -> None:
        self._head.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
