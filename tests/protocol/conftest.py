"""The world in which the protocol is searched and played: one database, one loop, one key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from csp_controlplane.attach.tokens import WorkerTokens
from csp_controlplane.store.database import Database
from support.sim.clock import VirtualLoop
from support.sim.machine import Machine, Surroundings
from support.sim.worker import NoWatchdog, RecordingJournal


@pytest.fixture
def around(
    new_database: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Surroundings]:
    monkeypatch.setattr("csp_worker.session.Watchdog", NoWatchdog)
    monkeypatch.setattr("csp_worker.session.Journal", RecordingJournal)
    url = new_database()
    loop = VirtualLoop()
    with loop.real():
        # Whoever stops before a statement holds a connection meanwhile.
        db = loop.run(Database.connect(url, max_size=60))
        loop.run(_people(db))
    tokens, jwks = _keys(tmp_path)
    surroundings = Surroundings(loop, db, tmp_path, tokens, jwks, url)
    monkeypatch.setattr(Machine, "around", surroundings, raising=False)
    yield surroundings
    with loop.real():
        loop.run(db.close())
    loop.close()


async def _people(db: Database) -> None:
    async with db.tenant("t1") as connection:
        await connection.execute("insert into tenants values ('t1', 'One')")
        await connection.execute(
            "insert into users (id, tenant, email, name) "
            "values ('user_alice', 't1', 'a@t1.example', 'Alice')"
        )


def _keys(directory: Path) -> tuple[WorkerTokens, Path]:
    private = Ed25519PrivateKey.generate()
    secret = {**json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(private)), "kid": "k1"}
    public = {k: v for k, v in secret.items() if k != "d"}
    jwks = directory / "jwks.json"
    jwks.write_text(json.dumps({"keys": [public]}))
    return WorkerTokens(secret), jwks
