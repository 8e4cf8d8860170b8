"""Signs the short-lived, one-use tokens with which the control plane calls workers."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import jwt

ISSUER = "csp-controlplane"
LIFETIME_S = 30


class WorkerTokens:
    """Holds the Ed25519 signing key. Workers know its public half by kid."""

    def __init__(self, jwk: dict[str, str], *, clock: Callable[[], float] = time.time) -> None:
        self._key = jwt.PyJWK(jwk, algorithm="EdDSA")
        self._kid = jwk["kid"]
        self._clock = clock

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Reads a JWK. Raises OSError or ValueError when there is none."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def metadata(self, worker_id: str, session_id: str, epoch: int) -> tuple[tuple[str, str], ...]:
        """gRPC metadata for one call to this worker, for this session and epoch."""
        now = int(self._clock())
        claims = {
            "iss": ISSUER,
            "aud": worker_id,
            "sid": session_id,
            "epoch": epoch,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + LIFETIME_S,
        }
        token = jwt.encode(claims, self._key.key, algorithm="EdDSA", headers={"kid": self._kid})
        return (("authorization", f"Bearer {token}"),)
