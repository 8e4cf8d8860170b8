"""A gateway core on a real database, with workers that the test plays."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import jwt
import pytest
import redis.asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from csp_controlplane.store.database import Database
from support.gateways import Gateways
from support.hostile_worker import HostileRuntime
from support.sessions import ALICE, BOB


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """For unix sockets, whose paths must be short."""
    with tempfile.TemporaryDirectory(prefix="csp-w-") as name:
        yield Path(name)


@pytest.fixture
async def gateways(db: Database, redis_url: str, short_directory: Path) -> AsyncIterator[Gateways]:
    async with db.tenant("t1") as connection:
        await connection.execute("insert into tenants values ('t1', 'One')")
        for who in (ALICE, BOB):
            await connection.execute(
                "insert into users (id, tenant, email, name) values ($1, 't1', $1, $1)",
                who.user_id,
            )
    key = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate()))
    key_file = short_directory / "key.json"
    key_file.write_text(json.dumps({**key, "kid": "k1"}))
    runtime = HostileRuntime(short_directory)
    client = redis.asyncio.from_url(redis_url, socket_timeout=None)
    gateways = Gateways(db, client, runtime, key_file)
    async with gateways.stack:
        yield gateways
    await runtime.stop()
    await client.aclose()
