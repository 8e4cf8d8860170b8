"""csp in a cluster as an operator installs it: the chart by Helm, everything else by kubectl."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from csp_crds import names
from e2e.images.build import SERVERS_REFERENCE, VERSION
from e2e.node import binaries
from e2e.node.binaries import ROOT
from e2e.node.provider import Cluster, run
from support.processes import ServerProcess, free_port
from support.waiting import wait_until_sync

CHART = ROOT / "charts" / "csp"
NAMESPACE = "csp"
RELEASE = "csp"
OWNER = "you@localhost"

_SERVERS, _, _SERVERS_TAG = SERVERS_REFERENCE.partition(":")
_SERVERS_IMAGE = {"repository": _SERVERS, "tag": _SERVERS_TAG}
VALUES: dict[str, Any] = {
    "image": {"tag": VERSION, "pullPolicy": "Never"},
    "postgresql": {
        "image": _SERVERS_IMAGE,
        "persistence": {"enabled": True, "size": "1Gi", "storageClass": "-"},
    },
    "valkey": {"image": _SERVERS_IMAGE},
    # The scripted model types as fast as it can.
    "scriptedModel": {"env": {"CSP_SCRIPTED_WORD_DELAY_MS": "0"}},
    "pools": {
        "default": {
            "template": {
                "resources": {
                    "requests": {"cpu": "50m", "memory": "128Mi"},
                    "limits": {"memory": "1Gi"},
                }
            },
            "scaling": {"minWarm": 1, "maxWarm": 2, "targetSpare": 1},
        }
    },
}
"""What differs from the chart's defaults: images that are there, and a machine of two cores."""


@dataclass
class Installation:
    """A release of the chart and its namespace."""

    cluster: Cluster
    values: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(VALUES)))
    _forwards: ExitStack = field(default_factory=ExitStack)
    _addresses: dict[tuple[str, int], str] = field(default_factory=dict)
    _api_key: str | None = None

    # ---- commands

    def kubectl(self, *arguments: str, input: str | None = None, timeout: float = 120) -> str:
        """kubectl's output. Not in any namespace unless the arguments name one."""
        return run([*self._kubectl, *arguments], input=input, timeout=timeout)

    def csp(self, *arguments: str, input: str | None = None, timeout: float = 120) -> str:
        """kubectl in csp's namespace."""
        return self.kubectl("-n", NAMESPACE, *arguments, input=input, timeout=timeout)

    def get(self, *arguments: str) -> Any:
        """An object, or the items of a list, in csp's namespace."""
        found = json.loads(self.csp("get", *arguments, "-o", "json"))
        return found["items"] if found["kind"] == "List" else found

    def apply(self, *objects: Mapping[str, Any], namespace: str = NAMESPACE) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(items))

    def helm(self, *arguments: str, timeout: float = 400) -> str:
        program = str(binaries.require("helm")["helm"])
        config = ("--kubeconfig", str(self.cluster.kubeconfig), "--namespace", NAMESPACE)
        return run([program, *config, *arguments], timeout=timeout)

    def follow(self, *arguments: str, log: Path) -> ServerProcess:
        """kubectl in the background, such as a log or a forwarded port. Stop it."""
        return ServerProcess([*self._kubectl, *arguments], log=log)

    # ---- the release

    def install(self) -> None:
        """Returns when everything is ready."""
        self.make_volume()
        options = ("--create-namespace", *self._options(), "--timeout=300s")
        self.helm("install", RELEASE, str(CHART), *options)
        self.ready()

    def upgrade(self, *, wait: bool = True) -> None:
        """To the present values."""
        self.helm("upgrade", RELEASE, str(CHART), *self._options(), "--timeout=300s")
        if wait:
            self.ready()

    def uninstall(self) -> None:
        """Everything but the database's volume and the sessions' resources."""
        self.helm("uninstall", RELEASE, "--wait", "--timeout=200s")
        self.csp("delete", "pods", "-l", "sessionplane.io/pool", "--wait=true", timeout=200)
        self._forget()

    def remove_everything(self) -> None:
        """The namespace with all that is in it, the database's volume and the definitions."""
        self._forget()
        self._api_key = None
        absent = ("--ignore-not-found", "--wait=true")
        self.kubectl("delete", "namespace", NAMESPACE, *absent, timeout=300)
        definitions = ("agentsessions.sessionplane.io", "agentpools.sessionplane.io")
        self.kubectl("delete", "crd", *definitions, *absent, timeout=300)
        self.kubectl("delete", "pv", "postgresql", *absent, timeout=120)

    def ready(self, timeout: float = 300) -> None:
        """Every workload has rolled out and a pod is warm."""
        for kind in ("statefulset", "deployment"):
            for found in self.get(kind):
                name = f"{kind}/{found['metadata']['name']}"
                self.csp(
                    "rollout", "status", name, f"--timeout={timeout:.0f}s", timeout=timeout + 30
                )
        self.csp(
            "wait", "agentpool/default", "--for=condition=Available", f"--timeout={timeout:.0f}s",
            timeout=timeout + 30,
        )  # fmt: skip

    def warm_pods(self) -> list[dict[str, Any]]:
        """Those that wait for a session and could have one now."""
        found = self.get("pods", "-l", f"{names.STATE}={names.STATE_WARM}")
        return [
            pod for pod in found if _is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
        ]

    def until_warm(self, timeout: float = 120) -> None:
        """The pods themselves are asked: the pool's status is up to a second behind."""
        wait_until_sync(self.warm_pods, timeout, "a pod that waits and is Ready")

    # ---- the API

    def address(self, service: str, port: int) -> str:
        """host:port by which this machine reaches a Service."""
        if (service, port) not in self._addresses:
            self._addresses[service, port] = self._reach(service, port)
        return self._addresses[service, port]

    def gateways(self) -> list[str]:
        """Names of the gateways' pods that are ready."""
        return [pod["metadata"]["name"] for pod in self.pods("gateway") if _is_ready(pod)]

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The pods of a component that are not on their way out."""
        found = self.get("pods", "-l", f"app.kubernetes.io/component={component}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def pod_address(self, pod: str, port: int) -> str:
        """host:port by which this machine reaches a pod."""
        if self.cluster.reaches_services:
            return f"{self.get('pod', pod)['status']['podIP']}:{port}"
        return self._forward(f"pod/{pod}", port)

    @property
    def url(self) -> str:
        return f"http://{self.address('csp-gateway', 8400)}"

    def sign_in_link(self) -> str:
        """By the command that the chart's notes name, at the address that this machine uses."""
        link = self.csp("exec", "deploy/csp-gateway", "--", "csp", "login").strip()
        return f"{self.url}/login?{link.partition('?')[2]}"

    @property
    def headers(self) -> dict[str, str]:
        """Of the first user."""
        if self._api_key is None:
            with httpx.Client(trust_env=False, follow_redirects=False, timeout=30) as client:
                signed_in = client.post(self.sign_in_link())
                assert signed_in.status_code == 303, signed_in.text
                made = client.post(
                    f"{self.url}/api/v1/api_keys",
                    json={"name": "e2e"},
                    headers={"origin": self.url},
                )
                assert made.status_code == 200, made.text
                self._api_key = str(made.json()["key"])
        return {"x-api-key": self._api_key}

    def client(self, url: str | None = None) -> httpx.AsyncClient:
        """Relative to /api/v1. Close it."""
        return httpx.AsyncClient(
            base_url=f"{url or self.url}/api/v1", headers=self.headers, trust_env=False, timeout=60
        )

    def close(self) -> None:
        self._forget()

    # ---- inside

    @property
    def _kubectl(self) -> Sequence[str]:
        program = str(binaries.require("kubectl")["kubectl"])
        return (program, "--kubeconfig", str(self.cluster.kubeconfig))

    def _options(self) -> list[str]:
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(self.values, file)
        self._forwards.callback(Path(file.name).unlink, missing_ok=True)
        return ["--values", file.name, "--wait"]

    def _reach(self, service: str, port: int) -> str:
        if self.cluster.reaches_services:
            found = self.get("service", service)
            return f"{found['spec']['clusterIP']}:{port}"
        return self._forward(f"service/{service}", port)

    def _forward(self, target: str, port: int) -> str:
        local = free_port()
        log = Path(tempfile.mkstemp(prefix="csp-forward-")[1])
        process = self.follow("-n", NAMESPACE, "port-forward", target, f"{local}:{port}", log=log)
        self._forwards.callback(log.unlink)
        self._forwards.callback(process.stop)
        process.wait_listening(local)
        return f"127.0.0.1:{local}"

    def _forget(self) -> None:
        self._forwards.close()
        self._addresses.clear()

    def make_volume(self) -> None:
        """Storage for the database, where no provisioner makes it. Outlives the release."""
        volume = self.cluster.volume("postgresql")
        if volume is None:
            self.values["postgresql"]["persistence"]["storageClass"] = ""
            return
        self.kubectl("apply", "-f", "-", input=json.dumps(volume))


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
