"""Files of erased sessions, where the object store is away for a time: nothing of them stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from csp_controlplane.domain.fold import Fold
from csp_controlplane.errors import NotFound, Unavailable
from csp_controlplane.sessions import retention
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store import checkpoints, months, pieces, sessions
from csp_controlplane.store.checkpoints import NewCheckpoint
from csp_controlplane.store.database import Database
from csp_controlplane.store.objects import ObjectStore, open_objects
from csp_controlplane.store.sessions import NewSession
from csp_crds.agent import AgentSpec
from support.bucket import ENVIRONMENT, NAME, Bucket
from support.gateways import Gateways
from support.kept_files import claimed, keep, named
from support.sessions import ALICE

TENANT = ALICE.tenant
MONTH = date(2026, 1, 1)


@dataclass(frozen=True)
class Place:
    """A gateway and the bucket of its files."""

    service: SessionService
    db: Database
    objects: ObjectStore
    bucket: Bucket

    async def session(self, name: str, *contents: bytes, like: str | None = None) -> set[str]:
        """A session at rest that has files; where those are in the bucket."""
        await at_rest(self.db, name, like)
        return self.of(await keep(self.db, self.objects, TENANT, name, *contents))

    def of(self, keys: list[str]) -> set[str]:
        return {f"csp/{TENANT}/{key}" for key in keys}

    def held(self) -> set[str]:
        return set(self.bucket.keys())


async def at_rest(db: Database, name: str, like: str | None = None, month: date = MONTH) -> None:
    rests = replace(Fold(), state="paused")
    new = NewSession(
        id=name, month=month, tenant=TENANT, owner=ALICE.user_id, agent={}, spec=AgentSpec(),
        agent_id=None, agent_version=None, environment_id=None, title=name, metadata={},
        fold=rests, resume_from=like,
    )  # fmt: skip
    await sessions.insert(db, new)


async def last_used(db: Database, session: str, days: float) -> None:
    async with db.tenant(TENANT) as connection:
        await connection.execute(
            "update sessions set last_event_at = now() - make_interval(secs => $2 * 86400) "
            "where id = $1",
            session,
            days,
        )


async def an_hour_passes(db: Database) -> None:
    async with db.tenant(TENANT) as connection:
        await connection.execute("update pieces set used_at = used_at - interval '1 hour'")


async def expiries(db: Database) -> list[str]:
    async with db.tenant(TENANT) as connection:
        rows = await connection.fetch(
            "select target from audit_events where action = 'session.expire' order by target"
        )
    return [row["target"] for row in rows]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with Bucket.running() as running:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": running.url}.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
async def place(gateways: Gateways, db: Database, bucket: Bucket) -> AsyncIterator[Place]:
    gateways.objects = open_objects(f"s3://{NAME}/csp", db)
    service = await gateways.start(retention_days=30)
    yield Place(service, db, gateways.objects, bucket)


async def test_a_session_stays_until_its_files_could_be_removed(place: Place) -> None:
    mine = await place.session("mine", b"one", b"two")
    other = await place.session("other", b"one")
    place.bucket.close()
    words = "files of the session mine cannot be removed now: .*Do this again when the store is"
    with pytest.raises(Unavailable, match=words):
        await place.service.delete(ALICE, "mine")
    assert (await place.service.get(ALICE, "mine")).title == "mine"
    place.bucket.reopen()
    assert place.held() == mine | other
    await place.service.delete(ALICE, "mine")
    with pytest.raises(NotFound):
        await place.service.get(ALICE, "mine")
    assert place.held() == other


async def test_a_session_without_files_needs_no_store(place: Place) -> None:
    await at_rest(place.db, "bare")
    place.bucket.close()
    await place.service.delete(ALICE, "bare")
    with pytest.raises(NotFound):
        await place.service.get(ALICE, "bare")
    place.bucket.reopen()


async def test_what_was_begun_is_finished_without_anybody_asking_again(place: Place) -> None:
    await place.session("mine", b"one")
    place.bucket.close()
    with pytest.raises(Unavailable):
        await place.service.delete(ALICE, "mine")
    assert await place.service.retention.expired() == 0
    place.bucket.reopen()
    assert await place.service.retention.expired() == 1
    assert place.held() == set()
    assert await sessions.load(place.db, TENANT, "mine") is None
    assert await expiries(place.db) == [], "a person had asked for it"


async def test_retention_tries_again_on_its_next_round(place: Place) -> None:
    await place.session("old", b"one")
    await last_used(place.db, "old", 31)
    place.bucket.close()
    assert await place.service.retention.expired() == 0
    place.bucket.reopen()
    assert await place.service.retention.expired() == 1
    assert place.held() == set()
    assert await expiries(place.db) == ["old"]


async def test_a_person_is_erased_once_the_store_is_back(place: Place) -> None:
    await place.session("mine", b"one")
    bob = replace(ALICE, user_id="user_bob")
    place.bucket.close()
    with pytest.raises(Unavailable):
        await place.service.erasure.person(bob, ALICE.user_id)
    place.bucket.reopen()
    assert (await place.service.erasure.person(bob, ALICE.user_id)).sessions == 1
    assert place.held() == set()


async def test_a_dropped_month_leaves_no_files_but_a_forks(place: Place, database_url: str) -> None:
    await place.session("old", b"a", b"b")
    await place.session("parent", b"c")
    await at_rest(place.db, "fork", "parent", month=date(2026, 2, 1))
    shared = place.of(await keep(place.db, place.objects, TENANT, "fork", b"c"))
    async with place.db.tenant(TENANT) as connection:
        await connection.execute(
            "insert into blobs (id, tenant, owner, session_id, name, media_type, size, sha256, "
            "data) values ('f', $1, $2, 'old', 'n', 't', 1, '', 'd')",
            TENANT,
            ALICE.user_id,
        )
    later = datetime.now(UTC) + timedelta(days=90)
    place.bucket.close()
    assert await months.drop(database_url, MONTH, idle_days=30, now=later) == 2
    await place.service.retention.sweep()
    place.bucket.reopen()
    assert place.held() > shared, "nothing could be removed yet"
    await place.service.retention.sweep()
    assert place.held() == shared
    async with place.db.tenant(TENANT) as connection:
        assert await connection.fetchval("select count(*) from blobs") == 0


async def test_what_a_fork_has_too_stays(place: Place) -> None:
    await place.session("parent", b"early")
    shared = place.of(await keep(place.db, place.objects, TENANT, "parent", b"a", b"b"))
    forked = await place.session("fork", b"b", b"new", like="parent")
    place.bucket.close()
    with pytest.raises(Unavailable):
        await place.service.delete(ALICE, "parent")
    place.bucket.reopen()
    await place.service.delete(ALICE, "parent")
    assert place.held() == shared | forked
    await place.service.delete(ALICE, "fork")
    assert place.held() == set()


async def test_what_a_save_writes_after_the_erasure_is_removed_within_the_next_hours(
    place: Place,
) -> None:
    await at_rest(place.db, "mine")
    claim = await claimed(place.db, TENANT, "mine", b"late")
    await place.service.delete(ALICE, "mine")
    await place.objects.put(TENANT, claim.keys[named(b"late")], b"late")
    await place.service.retention.sweep()
    assert place.held() == set()
    await place.objects.put(TENANT, claim.keys[named(b"late")], b"late")
    await an_hour_passes(place.db)
    await place.service.retention.sweep()
    assert place.held() == set()
    assert await pieces.lineages_with_doomed(place.db) == []


async def test_a_piece_that_comes_back_is_no_victim_of_a_late_removal(place: Place) -> None:
    await place.session("parent", b"a")
    await at_rest(place.db, "fork", "parent")
    await keep(place.db, place.objects, TENANT, "fork", b"b")
    async with place.db.tenant(TENANT) as connection:
        await connection.execute("delete from checkpoints where session_id = 'fork' and seq = 0")
    place.bucket.close()
    with pytest.raises(Unavailable):
        await place.service.delete(ALICE, "parent")
    place.bucket.reopen()
    slow = await pieces.doomed(place.db, TENANT, "parent", "", 10)
    again = await keep(place.db, place.objects, TENANT, "fork", b"a")
    await place.objects.delete(TENANT, slow)
    assert place.of(again) <= place.held()
    await place.service.delete(ALICE, "parent")
    assert place.of(again) <= place.held()


async def test_a_save_names_nothing_that_is_doomed(place: Place) -> None:
    await place.session("parent", b"a")
    await at_rest(place.db, "fork", "parent")
    async with place.db.tenant(TENANT) as connection:
        await connection.execute("delete from checkpoints where session_id = 'fork'")
    claim = await claimed(place.db, TENANT, "fork", b"a")
    await place.service.delete(ALICE, "parent")
    late = NewCheckpoint(
        0, 1, named(b"a"), (), 0, 0, {"count": 0, "named": []}, "f", {}
    )  # fmt: skip
    with pytest.raises(checkpoints.PiecesGone):
        await checkpoints.publish(place.db, TENANT, "fork", claim, late)


async def test_one_session_that_cannot_be_erased_does_not_hold_up_the_others(
    gateways: Gateways, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    objects = gateways.objects = open_objects(tmp_path.as_uri(), db)
    service = await gateways.start(retention_days=30)
    kept = {}
    for age, name in ((40, "stuck"), (35, "second"), (31, "third")):
        await at_rest(db, name)
        kept[name] = await keep(db, objects, TENANT, name, name.encode())
        await last_used(db, name, age)
    in_the_way = tmp_path / TENANT / kept["stuck"][0]
    in_the_way.unlink()
    (in_the_way / "not an object").mkdir(parents=True)
    with capture_logs() as logs:
        assert await service.retention.expired() == 2
    failed = [line["session_id"] for line in logs if line["event"] == "session_not_erased"]
    assert failed == ["stuck"]
    assert await expiries(db) == ["second", "third"]
    (in_the_way / "not an object").rmdir()
    in_the_way.rmdir()
    assert await service.retention.expired() == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
