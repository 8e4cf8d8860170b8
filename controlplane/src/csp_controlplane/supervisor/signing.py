"""The key pair with which gateways prove to workers who calls: Ed25519, as JSON Web Keys.

Gateways hold the private half; workers read the public set and re-read it when it changes, so a
new key can be added without touching warm spares.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.lock import write_private


def ensure_keys(layout: Layout) -> None:
    """Makes the key on the first start; writes the public set at every start."""
    if not layout.signing_key.exists():
        write_private(layout.signing_key, json.dumps(_new_key()).encode())
    private = json.loads(layout.signing_key.read_bytes())
    public = {name: value for name, value in private.items() if name != "d"}
    write_private(layout.jwks, json.dumps({"keys": [public]}).encode())


def _new_key() -> dict[str, Any]:
    key = Ed25519PrivateKey.generate()
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "kid": _base64url(os.urandom(9)),
        "x": _base64url(key.public_key().public_bytes_raw()),
        "d": _base64url(key.private_bytes_raw()),
    }


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
