"""Where bytes are kept that are too many for rows: a bucket, a folder, or a table of the database.

Keys begin with the tenant; values are at most a few MiB and never change. What is where is known
from the database, so a store need not be asked what it holds, except to empty a whole prefix.
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

    async def delete_below(self, tenant: str, prefix: str) -> None:
        """Everything whose key begins with `prefix` and a slash."""


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

    async def delete_below(self, tenant: str, prefix: str) -> None:
        async with self._db.tenant(tenant) as connection:
            await connection.execute(
                "delete from objects where tenant = $1 and starts_with(key, $2)",
                tenant,
                f"{prefix}/",
            )


class BucketObjects:
    """In a bucket or a folder, by obstore."""

    def __init__(self, store: Any) -> None:
        self._store = store

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
            except (FileNotFoundError, obstore.exceptions.NotFoundError):
                continue
            except (obstore.exceptions.BaseError, OSError) as error:
                raise ObjectsAway(str(error)) from error

    async def delete_below(self, tenant: str, prefix: str) -> None:
        import obstore

        try:
            async for page in obstore.list(self._store, prefix=f"{tenant}/{prefix}"):
                keys = [str(entry["path"]).removeprefix(f"{tenant}/") for entry in page]
                await self.delete(tenant, keys)
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

        Path(parts.path).mkdir(parents=True, exist_ok=True, mode=0o700)
        return BucketObjects(LocalStore(parts.path, mkdir=True))
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
