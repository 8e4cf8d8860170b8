"""One real gateway process and the people who use it."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from csp_controlplane.store import keys, users
from csp_controlplane.store.database import Database
from support.processes import ServerProcess, free_port
from support.waiting import wait_until_sync


def write_signing_key(path: Path) -> Path:
    """A fresh key with which a gateway signs tokens for workers."""
    key = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate()))
    path.write_text(json.dumps({**key, "kid": "test"}))
    return path


class GatewayProcess:
    """`python -m csp_controlplane.gateway` on a free port, with a log to look at."""

    def __init__(
        self, database_url: str, redis_url: str | None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="csp-gw-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.metrics_port = free_port()
        self.log = self.directory / "log"
        self._environment = {
            "CSP_GATEWAY_PORT": str(self.port),
            "CSP_GATEWAY_METRICS_PORT": str(self.metrics_port),
            "CSP_GATEWAY_ID": "gateway-test",
            "CSP_DATABASE_URL": database_url,
            "CSP_SIGNING_KEY_FILE": str(write_signing_key(self.directory / "key.json")),
            "CSP_SUPERVISOR_SOCKET": str(self.directory / "supervisor.sock"),
            **({"CSP_REDIS_URL": redis_url} if redis_url else {}),
            **(environment or {}),
        }
        self.process: ServerProcess | None = None

    def start(self, *, wait: str = "startup") -> Self:
        """Returns when `/api/v1/health/<wait>` answers 200."""
        self.process = ServerProcess.module(
            "csp_controlplane.gateway", log=self.log, environment=self._environment
        )
        process = self.process
        process.wait_listening(self.port)

        def healthy() -> bool:
            if not process.running:
                raise RuntimeError(f"the gateway ended:\n{process.tail()}")
            return self.get(f"/api/v1/health/{wait}").status_code == 200

        wait_until_sync(healthy, 30, f"the gateway's health/{wait} being 200")
        return self

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False, timeout=10)

    def metrics(self) -> str:
        """As Prometheus is told them."""
        answer = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", trust_env=False)
        assert answer.status_code == 200
        return answer.text

    def lines(self) -> list[dict[str, object]]:
        """The log so far."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops it and removes its directory. May be called more than once."""
        if self.process is not None:
            self.process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


@dataclass(frozen=True)
class Person:
    """A user of a gateway, with an API key."""

    user: users.User
    key: str
    url: str
    password: str | None = None

    def client(self) -> httpx.AsyncClient:
        """Signed in by API key, relative to /api/v1. Close it."""
        return httpx.AsyncClient(
            base_url=f"{self.url}/api/v1",
            headers={"x-api-key": self.key},
            trust_env=False,
            timeout=20,
        )

    def browser(self) -> httpx.AsyncClient:
        """Not signed in; sends what a browser sends on its own page."""
        return httpx.AsyncClient(
            base_url=self.url, headers={"origin": self.url}, trust_env=False, timeout=20
        )


async def new_admin(db: Database, url: str, tenant: str | None = None) -> Person:
    """The first user of a tenant; a new tenant by default."""
    tenant = tenant or f"t-{secrets.token_hex(4)}"
    user = await users.ensure_tenant(
        db, tenant=tenant, tenant_name=tenant.upper(), email=f"admin@{tenant}.example", name="Ada"
    )
    _, key = await keys.create_key(db, tenant, user.id, "test")
    return Person(user, key, url)


async def new_member(db: Database, admin: Person, password: str | None = None) -> Person:
    """Another user of the same tenant."""
    user = await users.create_user(
        db,
        admin.user.tenant,
        email=f"{secrets.token_hex(4)}@{admin.user.tenant}.example",
        name="Mo",
        password=password,
    )
    _, key = await keys.create_key(db, user.tenant, user.id, "test")
    return Person(user, key, admin.url, password)
