"""Where bytes are kept that are too many for rows: a bucket, a folder, or a table of the database.

Keys begin with the tenant; values are at most a few MiB and never change. What is where is known
from the database (`pieces`), so a store is never asked what it holds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from csp_controlplane.store.database import Database

DATABASE = "database:"


class ObjectsAway(Exception):
    """The store did not answer; the call may be repeated."""


class ObjectStore(Protocol):
    """Raises ObjectsAway. `key` is below the tenant."""

    async def put(self, tenant: str, key: str, data: bytes) -> None:
        """The same key again is the same bytes."""

    async def get(self, tenant: str, key: str) -> bytes | None:
        """None: there is no such object."""

    async def delete(self, tenant: str, keys: Sequence[str]) -> None:
        """What is not there is left out."""


class DatabaseObjects:
    """In the table `objects`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(self, tenant: str, key: str, data: bytes) -> None:
        async with self._db.tenant(tenant) as connection:
            await connection.execute(
                "insert into objects (tenant, key, data) values ($1,$2,$3) on conflict do nothing",
                tenant,
                key,
                data,
            )

    async def get(self, tenant: str, key: str) -> bytes | None:
        async with self._db.tenant(tenant) as connection:
            data: bytes | None = await connection.fetchval(
                "select data from objects where tenant = $1 and key = $2", tenant, key
            )
        return data

    async def delete(self, tenant: str, keys: Sequence[str]) -> None:
        async with self._db.tenant(tenant) as connection:
            await connection.execute(
                "delete from objects where tenant = $1 and key = any($2)", tenant, list(keys)
            )


class BucketObjects:
    """In a bucket, or in a folder, by obstore."""

    def __init__(self, store: Any, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    async def put(self, tenant: str, key: str, data: bytes) -> None:
        import obstore

        try:
            await obstore.put_async(self._store, f"{tenant}/{key}", data)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise ObjectsAway(str(error)) from error

    async def get(self, tenant: str, key: str) -> bytes | None:
        import obstore

        try:
            found = await obstore.get_async(self._store, f"{tenant}/{key}")
            return bytes(await found.bytes_async())
        except (FileNotFoundError, obstore.exceptions.NotFoundError):
            return None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise ObjectsAway(str(error)) from error

    async def delete(self, tenant: str, keys: Sequence[str]) -> None:
        import obstore

        for key in keys:
            try:
                await obstore.delete_async(self._store, f"{tenant}/{key}")
            except (FileNotFoundError, obstore.exceptions.NotFoundError) as error:
                # A bucket says this of itself alone; of a folder that is gone it means nothing.
                if self._folder is None or not self._folder.is_dir():
                    raise ObjectsAway(str(error)) from error
            except (obstore.exceptions.BaseError, OSError) as error:
                raise ObjectsAway(str(error)) from error


def open_objects(url: str, db: Database) -> ObjectStore:
    """By the setting CSP_OBJECTS_URL. Raises ValueError for an address of another kind.

    The client is loaded only where it is used: it is larger than all that a gateway needs to start.
    """
    if url == DATABASE:
        return DatabaseObjects(db)
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        from obstore.store import LocalStore

        folder = Path(parts.path)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return BucketObjects(LocalStore(parts.path, mkdir=True), folder)
    if parts.scheme == "s3" and parts.netloc:
        from obstore.store import S3Store

        # Whoever waits tries again itself: a person's message does not wait minutes for a bucket.
        # Who names an address with http:// means it.
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        return BucketObjects(
            S3Store.from_url(
                url,
                client_options={"connect_timeout": "5s", "timeout": "60s", "allow_http": plain},
                retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
            )
        )
    raise ValueError(
        f"CSP_OBJECTS_URL is {url!r}: write s3://bucket/prefix, file:///folder or {DATABASE}"
    )
