"""Who may call this worker: bearers of a short-lived token that the control plane signed for it.

The token names this worker, one session and one epoch, and is accepted once. Keys are found by
their id in a file that may change at any time, so that keys rotate without touching a warm worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import orjson
from jwt.algorithms import OKPAlgorithm

ISSUER = "csp-controlplane"
MAX_LIFE_SECONDS = 60
LEEWAY_SECONDS = 5
MAX_REMEMBERED = 20_000
_CLAIMS = ["iss", "aud", "sid", "epoch", "jti", "iat", "exp"]


class Refused(Exception):
    """The caller is not who the token should have proved; the text is for a log."""


@dataclass(frozen=True, slots=True)
class Caller:
    """For which session and epoch the control plane speaks."""

    session_id: str
    epoch: int


class Authenticator:
    """Checks tokens. `now` is in seconds since the epoch."""

    def __init__(self, worker_id: str, jwks_file: Path, now: Callable[[], float]) -> None:
        self._worker_id = worker_id
        self._file = jwks_file
        self._now = now
        self._keys: dict[str, Any] = {}
        self._stamp: tuple[int, int] | None = None
        self._seen: dict[str, float] = {}

    def check(self, authorization: str | None) -> Caller:
        """Accepts a token, once. Raises Refused."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused("no bearer token")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            claims = jwt.decode(
                token,
                key=self._key(kid),
                algorithms=["EdDSA"],
                audience=self._worker_id,
                issuer=ISSUER,
                # Time is compared below, by the clock that was given.
                options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise Refused(str(error)) from error
        self._check_time(claims)
        self._use(str(claims["jti"]), float(claims["exp"]))
        session_id, epoch = claims["sid"], claims["epoch"]
        if not isinstance(session_id, str) or not isinstance(epoch, int):
            raise Refused("sid or epoch of the wrong type")
        return Caller(session_id, epoch)

    def _check_time(self, claims: dict[str, Any]) -> None:
        now, issued, expires = self._now(), claims["iat"], claims["exp"]
        if not isinstance(issued, int | float) or not isinstance(expires, int | float):
            raise Refused("iat or exp is no number")
        if expires + LEEWAY_SECONDS <= now:
            raise Refused("expired")
        if issued - LEEWAY_SECONDS > now:
            raise Refused("issued in the future")
        if expires - issued > MAX_LIFE_SECONDS:
            raise Refused("lives too long")

    def _use(self, jti: str, expires: float) -> None:
        now = self._now()
        if len(self._seen) >= MAX_REMEMBERED:
            self._seen = {k: e for k, e in self._seen.items() if e + LEEWAY_SECONDS > now}
        if jti in self._seen:
            raise Refused("used before")
        if len(self._seen) >= MAX_REMEMBERED:
            raise Refused("too many tokens within a minute")
        self._seen[jti] = expires

    def _key(self, kid: str | None) -> Any:
        self._reload()
        if kid not in self._keys:
            raise Refused("signed with an unknown key")
        return self._keys[kid]

    def _reload(self) -> None:
        try:
            info = self._file.stat()
            stamp = (info.st_mtime_ns, info.st_size)
            if stamp == self._stamp:
                return
            keys = orjson.loads(self._file.read_bytes())["keys"]
            self._keys = {
                str(key["kid"]): OKPAlgorithm.from_jwk(key)
                for key in keys
                if key.get("kty") == "OKP" and key.get("crv") == "Ed25519" and "d" not in key
            }
            self._stamp = stamp
        except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            # Keys that were read before stay good while the file is being written.
            if not self._keys:
                raise Refused(f"no usable key set in {self._file}: {error}") from error
