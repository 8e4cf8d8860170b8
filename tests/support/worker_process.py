"""A worker process of its own, as the supervisor starts it, and its callers' signing key."""

from __future__ import annotations

import base64
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc.aio
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1 import health_pb2, health_pb2_grpc

from csp_crds.agent import AgentSpec
from support.processes import ServerProcess
from support.scripts import spec
from support.waiting import wait_until

SERVICE = "csp.worker.v1.Worker"


class Signer:
    """The control plane's signing key, and the key set that workers read."""

    def __init__(self, path: Path, kid: str = "test") -> None:
        self.path = path
        self.kid = kid
        self.key = Ed25519PrivateKey.generate()
        public = base64.urlsafe_b64encode(self.key.public_key().public_bytes_raw()).rstrip(b"=")
        jwk = {"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": public.decode(), "use": "sig"}
        path.write_text(json.dumps({"keys": [jwk]}))

    def token(self, worker_id: str, session_id: str, epoch: int, /, **claims: Any) -> str:
        """A fresh token; `claims` replace the right ones."""
        now = int(time.time())
        body = {
            "iss": "csp-controlplane",
            "aud": worker_id,
            "sid": session_id,
            "epoch": epoch,
            "jti": secrets.token_hex(16),
            "iat": now,
            "exp": now + 30,
        }
        return jwt.encode(body | claims, self.key, algorithm="EdDSA", headers={"kid": self.kid})


class WorkerProcess:
    """One worker. Its directories live in a temporary directory until `close`.

    `workspace_root` may be shared with another worker, as the workers of one machine do. `parent`:
    what starts it, whose process `process` is then; the worker is its child.
    """

    def __init__(
        self,
        model_base_url: str,
        agent: AgentSpec | None = None,
        *,
        workspace_root: Path | None = None,
        environment: Mapping[str, str] | None = None,
        interpreter: str = sys.executable,
        parent: Sequence[str] = (),
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(
            prefix="csp-worker-", ignore_cleanup_errors=True
        )
        self.directory = Path(self._temporary.name)
        self.workspace_root = workspace_root or self.directory / "workspaces"
        self.worker_id = f"wrkr_{secrets.token_hex(8)}"
        self.endpoint = f"unix:{self.directory}/worker.sock"
        self.signer = Signer(self.directory / "jwks.json")
        self.log = self.directory / "worker.log"
        self.process = ServerProcess(
            [*parent, interpreter, "-m", "csp_worker", self.directory],
            log=self.log,
            environment={
                "CSP_WORKER_ID": self.worker_id,
                "CSP_WORKER_LISTEN": self.endpoint,
                "CSP_WORKER_JWKS_FILE": str(self.signer.path),
                "CSP_WORKER_HOME": str(self.directory / "home"),
                "CSP_WORKER_WORKSPACE_ROOT": str(self.workspace_root),
                "CSP_WORKER_MODEL_BASE_URL": model_base_url,
                "CSP_WORKER_AGENT_JSON": (agent or spec()).model_dump_json(),
                "CSP_WORKER_LOG_LEVEL": "debug",
                "CSP_WORKER_GRACE_SECONDS": "0",
                **(environment or {}),
            },
        )

    async def ready(self, deadline: float = 90.0) -> None:
        """Until its health check says that it serves."""
        async with grpc.aio.insecure_channel(self.endpoint) as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            async def serving() -> bool:
                if not self.process.running:
                    raise RuntimeError(f"the worker ended:\n{self.process.tail()}")
                try:
                    answer = await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))
                except grpc.aio.AioRpcError:
                    return False
                return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

            await wait_until(serving, deadline, "the worker serves")

    def close(self) -> None:
        """Ends the process and removes its directories."""
        self.process.stop()
        self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
