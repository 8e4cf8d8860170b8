"""etcd and the API server, with the controllers and the scheduler on request: a cluster's head.

Two users: the fixture of tests that need only an API server, which leaves the rest away and is
there in seconds, and the native node, which needs all of it.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import secrets
import signal
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e.node import binaries, pki
from support.processes import ServerProcess, free_port
from support.waiting import wait_until_sync

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the API server listens and how it is known."""

    address: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    services: str = "10.96.0.0/24"
    pods: str = "10.97.0.0/24"
    enter: tuple[str | Path, ...] = ()
    """What comes before a program, to run it in another network."""
    service_accounts: bool = True
    """Whether pods get a service account, which needs the controllers."""
    flags: tuple[str, ...] = ()
    """More flags of the API server."""

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"

    @property
    def first_service(self) -> str:
        """The address by which pods know the API server."""
        return str(next(ipaddress.ip_network(self.services).hosts()))


class ControlPlane:
    """The processes of a cluster's head, in one directory. `stop()` ends them, newest first."""

    def __init__(self, directory: Path, layout: Layout | None = None) -> None:
        self.directory = directory
        self.layout = layout or Layout()
        self.url = self.layout.url
        self.audit_log = directory / "audit.log"
        self.authority = pki.Authority(directory / "pki", datetime.datetime.now(datetime.UTC))
        self.ca = self.authority.files.certificate
        self.token = secrets.token_urlsafe(32)
        """Of a user who may do everything."""
        self._etcd_port = free_port()
        self._processes: dict[str, ServerProcess] = {}
        self._account_key = self.authority.signing_key("service-accounts")
        hosts = (
            self.layout.address,
            self.layout.first_service,
            "localhost",
            "kubernetes.default.svc",
        )
        self._serving = self.authority.issue("apiserver", "kube-apiserver", hosts=hosts)
        # The kubelet asks who may read logs and run commands; masters may.
        self._to_kubelet = self.authority.issue(
            "apiserver-kubelet", "kube-apiserver-kubelet", groups=["system:masters"]
        )
        self.admin = self.kubeconfig("admin", groups=["system:masters"])

    def kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """The path of a kubeconfig of this user, by client certificate."""
        file = user.replace(":", "-").replace("/", "-")
        pair = self.authority.issue(file, user, groups=groups)
        return self._kubeconfig(file, pair)

    def token_kubeconfig(self, name: str, token: str) -> Path:
        """The path of a kubeconfig with a bearer token."""
        return self._kubeconfig(name, token)

    def start(self) -> None:
        """etcd and the API server. On data that is there already it goes on with it."""
        self.start_etcd()
        self.start_api_server()

    def start_etcd(self) -> None:
        etcd = binaries.require("etcd")["etcd"]
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        process = self._spawn(
            "etcd",
            [
                etcd, "--data-dir", self.directory / "etcd", "--unsafe-no-fsync",
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", f"default={peer}", "--log-level", "warn",
                "--quota-backend-bytes", str(2**31),
            ],
        )  # fmt: skip

        def accepts() -> bool:
            if not process.running:
                raise RuntimeError(f"etcd ended at its start:\n{process.tail()}")
            # In the shell's own words, because the port may be another network's.
            probe = ["/bin/bash", "-c", f"< /dev/tcp/127.0.0.1/{self._etcd_port}"]
            arguments = [*map(str, self.layout.enter), *probe]
            return subprocess.run(arguments, stderr=subprocess.DEVNULL).returncode == 0

        wait_until_sync(accepts, 60, "etcd accepting connections")

    def start_api_server(self) -> None:
        """Returns when it is ready, its own hooks included."""
        program = binaries.require("kube-apiserver")["kube-apiserver"]
        process = self._spawn("kube-apiserver", [program, *self._api_server_flags()])

        def ready() -> bool:
            if not process.running:
                raise RuntimeError(f"kube-apiserver ended at its start:\n{process.tail()}")
            return self.ready()

        wait_until_sync(ready, 120, "the API server being ready")

    def start_controllers(self, names: Sequence[str] = ("*",)) -> None:
        """The controller manager, with these of its controllers."""
        program = binaries.require("kube-controller-manager")["kube-controller-manager"]
        config = self.kubeconfig("system:kube-controller-manager")
        self._spawn(
            "kube-controller-manager",
            [
                program, "--kubeconfig", config, "--leader-elect=false", "--secure-port=0",
                f"--controllers={','.join(names)}", "--use-service-account-credentials",
                f"--service-account-private-key-file={self._account_key}",
                f"--root-ca-file={self.authority.files.certificate}",
                f"--cluster-signing-cert-file={self.authority.files.certificate}",
                f"--cluster-signing-key-file={self.authority.files.key}",
                "--allocate-node-cidrs=false", f"--cluster-cidr={self.layout.pods}",
                f"--service-cluster-ip-range={self.layout.services}",
                # A dead node's pods are given up on soon, as their tolerations ask.
                "--node-monitor-period=2s", "--node-monitor-grace-period=20s",
            ],
        )  # fmt: skip

    def start_scheduler(self) -> None:
        program = binaries.require("kube-scheduler")["kube-scheduler"]
        config = self.kubeconfig("system:kube-scheduler")
        self._spawn(
            "kube-scheduler",
            [program, "--kubeconfig", config, "--leader-elect=false", "--secure-port=0"],
        )

    def ready(self) -> bool:
        """Whether the API server says so itself."""
        if not listens_at(self.layout.address, self.layout.port):
            return False
        try:
            return self.get("/readyz") == "ok"
        except OSError:
            return False

    def get(self, path: str) -> str:
        """The body of a GET as the user who may do everything. Raises OSError."""
        context = ssl.create_default_context(cafile=str(self.authority.files.certificate))
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:
            body: bytes = answer.read()
        return body.decode()

    def process(self, name: str) -> ServerProcess:
        """A process that was started, for a test that stops, kills or pauses it."""
        return self._processes[name]

    def stop_api_server(self) -> None:
        self._processes["kube-apiserver"].stop(deadline=60)

    def audit(self) -> Iterator[dict[str, Any]]:
        """The API server's audit log: an entry per finished request (audit.k8s.io/v1 Event)."""
        if not self.audit_log.exists():
            return
        with self.audit_log.open() as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)

    def stop(self) -> None:
        """Ends every process, in the reverse order; a paused one is woken for it."""
        for process in reversed(self._processes.values()):
            if process.running:
                process.signal(signal.SIGCONT)
            process.stop(deadline=30)
        self._processes.clear()

    def kill(self) -> None:
        """Ends every process at once, when nobody will want the data any more."""
        for process in self._processes.values():
            process.kill()
        self._processes.clear()

    def _spawn(self, name: str, arguments: list[str | Path]) -> ServerProcess:
        command = [*self.layout.enter, *arguments]
        process = ServerProcess(
            command, log=self.directory / f"{name}.log", directory=self.directory
        )
        self._processes[name] = process
        return process

    def _kubeconfig(self, name: str, who: pki.Pair | str) -> Path:
        path = self.directory / f"{name}.kubeconfig"
        return pki.kubeconfig(path, self.url, self.authority.files.certificate, who)

    def _api_server_flags(self) -> list[str]:
        tokens = self.directory / "tokens.csv"
        tokens.write_text(f'{self.token},admin,admin,"system:masters"\n')
        policy = self.directory / "audit-policy.json"
        policy.write_text(json.dumps(_AUDIT_POLICY))
        authority = self.authority.files.certificate
        flags = {
            "etcd-servers": f"http://127.0.0.1:{self._etcd_port}",
            "bind-address": self.layout.address,
            "advertise-address": self.layout.address,
            "secure-port": self.layout.port,
            "tls-cert-file": self._serving.certificate,
            "tls-private-key-file": self._serving.key,
            "client-ca-file": authority,
            "kubelet-client-certificate": self._to_kubelet.certificate,
            "kubelet-client-key": self._to_kubelet.key,
            "kubelet-certificate-authority": authority,
            "kubelet-preferred-address-types": "InternalIP",
            "token-auth-file": tokens,
            "authorization-mode": "Node,RBAC",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self._account_key,
            "service-account-signing-key-file": self._account_key,
            "service-cluster-ip-range": self.layout.services,
            "audit-policy-file": policy,
            "audit-log-path": self.audit_log,
            "allow-privileged": "true",
            "profiling": "false",
            # Nobody waits for load balancers to notice.
            "shutdown-delay-duration": "0s",
        }
        if not self.layout.service_accounts:
            flags["disable-admission-plugins"] = "ServiceAccount"
        if self.layout.address == "127.0.0.1":
            # Endpoints may not hold a loopback address.
            flags["advertise-address"] = "10.255.255.254"
            flags["endpoint-reconciler-type"] = "none"
        return [*(f"--{name}={value}" for name, value in flags.items()), *self.layout.flags]


def listens_at(address: str, port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((address, port)) == 0
