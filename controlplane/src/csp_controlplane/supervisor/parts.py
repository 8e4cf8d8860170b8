"""The parts of a local installation that are Python modules of ours: how each is run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from csp_controlplane.supervisor.child import Command
from csp_controlplane.supervisor.environment import Component, child_environment
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.service import ServiceSpec

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything is reached. Decided once, before the first part starts."""

    host: str
    gateway_ports: tuple[int, ...]
    proxy_port: int
    model_port: int | None
    """None: the proxy talks to a real model."""
    database_url: str
    migration_url: str
    redis_url: str

    @property
    def url(self) -> str:
        """What people open."""
        host = _reached_at(self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.gateway_ports[0]}"

    @property
    def proxy_url(self) -> str:
        return f"http://{LOOPBACK}:{self.proxy_port}"


def _reached_at(host: str) -> str:
    """Where something that listens on `host` is reached from here."""
    return LOOPBACK if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - not bound here


@dataclass(frozen=True, slots=True)
class Parts:
    """Builds the specs. `environment` is the supervisor's own."""

    layout: Layout
    addresses: Addresses
    environment: Mapping[str, str]

    def model(self) -> ServiceSpec:
        port = self.addresses.model_port or 0
        own = {"CSP_SCRIPTED_HOST": LOOPBACK, "CSP_SCRIPTED_PORT": str(port)}
        return ServiceSpec(
            name="model",
            title="the scripted model",
            command=self._module("csp_controlplane.scripted_model", "model", own),
            ready=lambda: _listens(LOOPBACK, port),
        )

    def proxy(self) -> ServiceSpec:
        port = self.addresses.proxy_port
        own = {
            "CSP_PROXY_HOST": LOOPBACK,
            "CSP_PROXY_PORT": str(port),
            **self._stores(),
        }
        if self.addresses.model_port is not None:
            own["CSP_PROXY_UPSTREAM_URL"] = f"http://{LOOPBACK}:{self.addresses.model_port}"
            own["CSP_PROXY_API_KEY"] = "scripted"
        return ServiceSpec(
            name="proxy",
            title="the model proxy",
            command=self._module("csp_controlplane.proxy", "proxy", own),
            ready=lambda: _listens(LOOPBACK, port),
        )

    def gateway(self, number: int) -> ServiceSpec:
        """`number` counts from 1; its identity survives its restarts."""
        host, port = self.addresses.host, self.addresses.gateway_ports[number - 1]
        own = {
            "CSP_GATEWAY_HOST": host,
            "CSP_GATEWAY_PORT": str(port),
            "CSP_GATEWAY_ID": f"gateway-{number}",
            "CSP_SIGNING_KEY_FILE": str(self.layout.signing_key),
            "CSP_GATEWAY_MIGRATE": "false",
            "CSP_RUNTIME": "local",
            "CSP_SUPERVISOR_SOCKET": str(self.layout.socket),
            "CSP_OBJECTS_URL": self.environment.get(
                "CSP_OBJECTS_URL", self.layout.objects.as_uri()
            ),
            "CSP_SCRIPTED_MODEL": "true" if self.addresses.model_port is not None else "false",
            **self._stores(),
        }
        metrics_port = self.environment.get("CSP_GATEWAY_METRICS_PORT", "")
        if metrics_port.isdigit() and metrics_port != "0":
            own["CSP_GATEWAY_METRICS_PORT"] = str(int(metrics_port) + number - 1)
        reached = _reached_at(host)
        static = static_directory(self.environment)
        if static is not None:
            own["CSP_STATIC_DIR"] = str(static)
        many = len(self.addresses.gateway_ports) > 1
        return ServiceSpec(
            name=f"gateway-{number}" if many else "gateway",
            title=f"gateway {number}" if many else "the gateway",
            command=self._module("csp_controlplane.gateway", "gateway", own),
            ready=lambda: _lives(reached, port),
        )

    def prepare(self) -> Command:
        """The run of migrations, which ends."""
        return self._module("csp_controlplane.supervisor.prepare", "prepare", self._stores())

    def _stores(self) -> dict[str, str]:
        return {
            "CSP_DATABASE_URL": self.addresses.database_url,
            "CSP_DATABASE_MIGRATION_URL": self.addresses.migration_url,
            "CSP_REDIS_URL": self.addresses.redis_url,
        }

    def _module(self, module: str, component: Component, own: Mapping[str, str]) -> Command:
        environment = child_environment(component, self.environment, own)
        return Command((sys.executable, "-m", module), environment, self.layout.data)


def static_directory(environment: Mapping[str, str]) -> Path | None:
    """The built page: where the setting says, in the package, or in a checkout."""
    if environment.get("CSP_STATIC_DIR"):
        return Path(environment["CSP_STATIC_DIR"])
    package = Path(__file__).parents[1]
    for candidate in (package / "static", package.parents[2] / "frontend" / "dist"):
        if (candidate / "index.html").exists():
            return candidate
    return None


async def _listens(host: str, port: int) -> bool:
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return True


async def _lives(host: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(
            b"GET /api/v1/health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        )
        return (await reader.readline()).startswith(b"HTTP/1.1 200")
    finally:
        writer.close()
