"""Uploaded files: bytes of one user, which messages refer to by id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from csp_controlplane.domain.ids import new_id
from csp_controlplane.errors import NotFound
from csp_controlplane.store.database import Database
from csp_controlplane.store.pages import read_time_cursor, time_cursor

_COLUMNS = "id, owner, name, media_type, size, created_at"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Everything about a file but its bytes."""

    id: str
    owner: str
    name: str
    media_type: str
    size: int
    created_at: datetime


def _file(row: Any) -> StoredFile:
    return StoredFile(
        id=row["id"],
        owner=row["owner"],
        name=row["name"],
        media_type=row["media_type"],
        size=row["size"],
        created_at=row["created_at"],
    )


def _missing(file_id: str) -> NotFound:
    return NotFound(f"There is no file {file_id!r}.")


async def save(
    db: Database, tenant: str, owner: str, *, name: str, media_type: str, data: bytes
) -> StoredFile:
    """Stores one upload."""
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow(
            "insert into blobs (id, tenant, owner, name, media_type, size, sha256, data)"
            " values ($1,$2,$3,$4,$5,$6,$7,$8) returning *",
            new_id("file"),
            tenant,
            owner,
            name,
            media_type,
            len(data),
            hashlib.sha256(data).digest(),
            data,
        )
    return _file(row)


async def get(db: Database, tenant: str, owner: str, file_id: str) -> StoredFile:
    """Raises NotFound: unknown, or another user's."""
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow(
            f"select {_COLUMNS} from blobs where id = $1 and owner = $2",  # noqa: S608
            file_id,
            owner,
        )
    if row is None:
        raise _missing(file_id)
    return _file(row)


async def read(db: Database, tenant: str, owner: str, file_id: str) -> tuple[StoredFile, bytes]:
    """The file with its bytes. Raises NotFound: unknown, or another user's."""
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow(
            f"select {_COLUMNS}, data from blobs where id = $1 and owner = $2",  # noqa: S608
            file_id,
            owner,
        )
    if row is None:
        raise _missing(file_id)
    return _file(row), row["data"]


async def page(
    db: Database, tenant: str, owner: str, *, limit: int, cursor: str | None, ids: list[str] | None
) -> tuple[list[StoredFile], str | None]:
    """The user's uploads, newest first."""
    before, before_id = read_time_cursor(cursor)
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            f"select {_COLUMNS} from blobs where owner = $1 and session_id is null"  # noqa: S608
            " and ($2::text[] is null or id = any($2))"
            " and ($3::timestamptz is null or (created_at, id) < ($3, $4))"
            " order by created_at desc, id desc limit $5",
            owner,
            ids,
            before,
            before_id,
            limit + 1,
        )
    found = [_file(row) for row in rows[:limit]]
    more = len(rows) > limit
    return found, time_cursor(found[-1].created_at, found[-1].id) if more else None


async def delete(db: Database, tenant: str, owner: str, file_id: str) -> None:
    """Raises NotFound: unknown, or another user's."""
    async with db.tenant(tenant) as connection:
        deleted = await connection.fetchval(
            "delete from blobs where id = $1 and owner = $2 returning id", file_id, owner
        )
    if deleted is None:
        raise _missing(file_id)
