"""A reverse proxy in front of the gateways, as an Ingress controller would set one up.

It is Debian's haproxy with the timeouts that the chart's Ingress asks for in its annotations: what
the chart renders is what is tested.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from e2e.installation import CHART, Installation
from support.processes import ServerProcess, free_port

_CONFIG = """
global
  maxconn 1000
defaults
  mode http
  log stdout format raw local0
  option httplog
  option forwardfor
  timeout connect 5s
  timeout client {client}
  timeout server {server}
  timeout tunnel {tunnel}
frontend people
  bind 127.0.0.1:{port}
  default_backend gateways
backend gateways
{servers}
"""


class ReverseProxy:
    """A running haproxy; use it as a context manager."""

    def __init__(self, installation: Installation) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="csp-proxy-"))
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        config = self._directory / "haproxy.cfg"
        annotations = _ingress_annotations(installation)
        # Each pod by itself, as controllers do, so that they balance and retry themselves.
        servers = "\n".join(
            f"  server {pod} {installation.pod_address(pod, 8400)} check inter 1s"
            for pod in installation.gateways()
        )
        config.write_text(
            _CONFIG.format(
                port=self._port,
                servers="  option httpchk GET /api/v1/health/ready\n" + servers,
                client=annotations["haproxy.org/timeout-client"],
                server=annotations["haproxy.org/timeout-server"],
                tunnel=annotations["haproxy.org/timeout-tunnel"],
            )
        )
        program = shutil.which("haproxy") or "/usr/sbin/haproxy"
        self._process = ServerProcess(
            [program, "-db", "-f", config], log=self._directory / "haproxy.log"
        )

    def __enter__(self) -> Self:
        self._process.wait_listening(self._port)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.stop()
        shutil.rmtree(self._directory, ignore_errors=True)


def _ingress_annotations(installation: Installation) -> dict[str, str]:
    rendered = installation.helm(
        "template", "csp", str(CHART), "--show-only", "templates/ingress.yaml",
        "--set", "ingress.enabled=true", "--set", "ingress.controller=haproxy",
    )  # fmt: skip
    for document in yaml.safe_load_all(rendered):
        if document and document["kind"] == "Ingress":
            found: dict[str, str] = document["metadata"]["annotations"]
            return found
    raise AssertionError("the chart rendered no Ingress")
