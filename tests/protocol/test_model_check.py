"""Every order of steps, crashes between any two of them: the promises of the protocol hold.

What is searched is the product's own code with the real log (see support.sim); the seed is fixed,
so that a run that passes passes again. CSP_MODEL_CHECK_EXAMPLES asks for more examples.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import run_state_machine_as_test

from csp_controlplane.attach import attachment, committer
from csp_controlplane.attach.tokens import WorkerTokens
from csp_controlplane.store.database import Database
from support.sim import planted
from support.sim.checks import Broken
from support.sim.clock import VirtualLoop
from support.sim.machine import Machine, Surroundings
from support.sim.worker import NoWatchdog, RecordingJournal

pytestmark = pytest.mark.timeout(300)

EXAMPLES = int(os.environ.get("CSP_MODEL_CHECK_EXAMPLES", "60"))
SEARCH = settings(
    max_examples=EXAMPLES,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

BROKEN = {
    "acknowledge-first": "acknowledged means committed",
    "show-first": "shown means committed, in order",
    "forget-epochs": "a fenced epoch writes nothing",
}
"""The promise that each mistake breaks: an end for any other reason is no finding."""


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


def test_no_order_of_steps_and_crashes_breaks_a_promise(around: Surroundings) -> None:
    run_state_machine_as_test(Machine, settings=SEARCH)


@pytest.mark.parametrize("plant", planted.PLANTS)
def test_a_planted_mistake_is_found(
    plant: str, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the plant replaces is put back at the test's end.
    for owner, name in (
        (attachment.Attachment, "_commit"),
        (attachment.Attachment, "_commit_until_done"),
        (committer.Committer, "commit"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    planted.PLANTS[plant]()
    if plant == "forget-epochs":
        with around.loop.real():
            around.loop.run(_unfence(around.url))
    # The database takes its own time, so that a run need not go the same way when it is repeated
    # for the report: Hypothesis then says that it is flaky, with what was found.
    with pytest.raises((Broken, FlakyFailure)) as found:
        run_state_machine_as_test(
            Machine, settings=settings(SEARCH, max_examples=400, phases=[Phase.generate])
        )
    promises = [str(broken) for broken in _leaves(found.value)]
    assert any(promise.startswith(BROKEN[plant]) for promise in promises), promises


def _leaves(error: BaseException) -> list[Broken]:
    """What was found broken, whichever way Hypothesis says it."""
    if isinstance(error, BaseExceptionGroup):
        return [broken for inner in error.exceptions for broken in _leaves(inner)]
    return [error] if isinstance(error, Broken) else []


async def _unfence(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await planted.unfence(connection)
    finally:
        await connection.close()
