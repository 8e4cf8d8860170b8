"""Every object store keeps the same promises: a table, a folder and a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from csp_controlplane.store.database import Database
from csp_controlplane.store.objects import ObjectsAway, ObjectStore, open_objects
from support.bucket import ENVIRONMENT, NAME, Bucket

KINDS = ("database", "folder", "bucket")


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with Bucket.running() as running:
        yield running


@pytest.fixture(params=KINDS)
async def objects(
    request: pytest.FixtureRequest,
    db: Database,
    tmp_path: Path,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> ObjectStore:
    for tenant in ("t1", "t2"):
        async with db.tenant(tenant) as connection:
            await connection.execute("insert into tenants values ($1, $1)", tenant)
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": bucket.url}.items():
        monkeypatch.setenv(name, value)
    urls = {
        "database": "database:",
        "folder": (tmp_path / "deep" / "objects").as_uri(),
        "bucket": f"s3://{NAME}/csp",
    }
    return open_objects(urls[request.param], db)


async def test_what_is_put_comes_back(objects: ObjectStore) -> None:
    data = bytes(range(256)) * 8192
    await objects.put("t1", "line/one", data)
    await objects.put("t1", "line/one", data)
    await objects.put("t1", "line/empty", b"")
    assert await objects.get("t1", "line/one") == data
    assert await objects.get("t1", "line/empty") == b""
    assert await objects.get("t1", "line/none") is None
    assert await objects.get("t2", "line/one") is None


async def test_what_is_deleted_is_gone_and_nothing_else(objects: ObjectStore) -> None:
    for key in ("line/a", "line/b", "line2/a"):
        await objects.put("t1", key, b"x")
    await objects.put("t2", "line/a", b"x")
    await objects.delete("t1", ["line/a", "line/never"])
    assert await objects.get("t1", "line/a") is None
    assert await objects.get("t1", "line/b") == b"x"
    assert await objects.get("t1", "line2/a") == b"x"
    assert await objects.get("t2", "line/a") == b"x"


async def test_a_bucket_that_does_not_answer_is_away(
    bucket: Bucket, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": bucket.url}.items():
        monkeypatch.setenv(name, value)
    objects = open_objects(f"s3://{NAME}", db)
    bucket.close()
    with pytest.raises(ObjectsAway):
        await objects.put("t1", "line/a", b"x")
    with pytest.raises(ObjectsAway):
        await objects.get("t1", "line/a")
    with pytest.raises(ObjectsAway):
        await objects.delete("t1", ["line/a"])


async def test_what_a_store_that_is_not_there_does_not_hold_is_not_deleted(
    bucket: Bucket, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": bucket.url}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ObjectsAway):
        await open_objects("s3://another", db).delete("t1", ["line/a"])
    folder = tmp_path / "objects"
    objects = open_objects(folder.as_uri(), db)
    await objects.put("t1", "line/a", b"x")
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(ObjectsAway):
        await objects.delete("t1", ["line/a"])


@pytest.mark.parametrize("url", ["ftp://host/x", "s3:///", "nonsense"])
def test_an_address_of_another_kind_is_refused_in_words(url: str, db: Database) -> None:
    with pytest.raises(ValueError, match="CSP_OBJECTS_URL"):
        open_objects(url, db)
