"""Checkpoints of working directories: which there are, and which one comes back next.

A checkpoint is a row here and bytes in the object store. Its row is written last and only by the
session's live epoch, so that what is listed is whole. Forks begin with copies of rows; pieces are
shared inside a lineage, the family of a session and its forks, and never beyond it (`pieces`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from csp_controlplane.domain.ids import new_id
from csp_controlplane.domain.vocabulary import TOOL_RESULTS, TOOL_USES
from csp_controlplane.store import pieces
from csp_controlplane.store.database import Database
from csp_controlplane.store.pieces import Claim

KEPT = 50
"""Of each session; older ones go."""

_COLUMNS = (
    "id, epoch, seq, checked_seq, manifest, pieces, files, bytes, left_out, fingerprint, saved_at"
)


class PiecesGone(Exception):
    """Pieces that were there a moment ago have been removed, with a session of the lineage."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A working directory at one point of its session's log."""

    id: str
    epoch: int
    seq: int
    checked_seq: int
    """Up to here in the log the directory was found unchanged."""
    manifest: bytes
    pieces: tuple[bytes, ...]
    files: int
    size: int
    left_out: dict[str, Any]
    """{count, named: [{path, reason, bytes}]}"""
    fingerprint: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class NewCheckpoint:
    """What a worker has handed over. `sizes`: of the objects that were written for it, by key."""

    epoch: int
    seq: int
    manifest: bytes
    pieces: tuple[bytes, ...]
    files: int
    size: int
    left_out: dict[str, Any]
    fingerprint: str
    sizes: dict[str, int]


def _checkpoint(row: Any) -> Checkpoint:
    return Checkpoint(
        row["id"], row["epoch"], row["seq"], row["checked_seq"], row["manifest"],
        pieces.digests(row["pieces"]), row["files"], row["bytes"], json.loads(row["left_out"]),
        row["fingerprint"], row["saved_at"],
    )  # fmt: skip


async def newest(db: Database, tenant: str, session: str) -> Checkpoint | None:
    """The last one."""
    return await at(db, tenant, session, 2**62)


async def at(db: Database, tenant: str, session: str, seq: int) -> Checkpoint | None:
    """The newest that was made when the log ended at `seq` or before."""
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow(
            f"select {_COLUMNS} from checkpoints where session_id = $1 and seq <= $2 "  # noqa: S608 -- fixed names
            "order by id desc limit 1",
            session,
            seq,
        )
    return _checkpoint(row) if row else None


async def next_to_restore(
    db: Database, tenant: str, session: str
) -> tuple[Checkpoint | None, bool]:
    """What the next worker starts from, and whether it was chosen over what may be there."""
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow(
            "select c.*, s.chosen_checkpoint is not null as chosen from sessions s "
            "join checkpoints c on c.session_id = s.id "
            "where s.id = $1 and (s.chosen_checkpoint is null or c.id = s.chosen_checkpoint) "
            "order by c.id desc limit 1",
            session,
        )
    return (_checkpoint(row), row["chosen"]) if row else (None, False)


async def wanted_of(db: Database, tenant: str, session: str, epoch: int) -> bool:
    """Whether the next worker is to have the files of this epoch: there is no later one, and nobody
    has chosen an earlier state."""
    async with db.tenant(tenant) as connection:
        found: bool | None = await connection.fetchval(
            "select epoch = $2 and chosen_checkpoint is null and deleted_at is null "
            "from sessions where id = $1",
            session,
            epoch,
        )
    return bool(found)


async def restored(db: Database, tenant: str, session: str, checkpoint: str) -> None:
    """A worker has it: the choice is made true, and is the newest state from now on.

    A worker that is lost before it was looked at again would else bring back what was given up.
    """
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "with s as (update sessions set chosen_checkpoint = null "
            "where id = $1 and chosen_checkpoint = $2 returning id, epoch, last_seq) "
            "insert into checkpoints (session_id, id, tenant, epoch, seq, checked_seq, manifest, "
            "pieces, files, bytes, left_out, fingerprint) select c.session_id, $3, c.tenant, "
            "s.epoch, s.last_seq, s.last_seq, c.manifest, c.pieces, c.files, c.bytes, c.left_out, "
            "'' from s join checkpoints c on c.session_id = s.id and c.id = $2",
            session,
            checkpoint,
            new_id("ckpt"),
        )


async def choose(db: Database, tenant: str, session: str, checkpoint: str) -> bool:
    """The session's next bind puts the directory into this state. False: it is not there."""
    async with db.tenant(tenant) as connection:
        found = await connection.fetchval(
            "update sessions s set chosen_checkpoint = c.id from checkpoints c "
            "where s.id = $1 and c.session_id = s.id and c.id = $2 returning s.id",
            session,
            checkpoint,
        )
    return found is not None


async def inherit(connection: Any, parent: str, child: str, through: int | None) -> None:
    """A new session's files begin as its parent's, in the transaction that inserts it: rows are
    copied, no pieces, and the child joins the lineage.

    `through`: how much of the parent's log the child has copied; it gets every checkpoint of that
    time, at the same places, so that it can be forked and taken back as its parent. None: it has a
    log of its own and begins with the parent's newest.
    """
    lineage = await connection.fetchval(
        "update sessions s set lineage = coalesce(p.lineage, p.id) from sessions p "
        "where s.id = $1 and p.id = $2 returning s.lineage",
        child,
        parent,
    )
    await pieces.keep(connection, lineage)
    await connection.execute(
        "insert into checkpoints (session_id, id, tenant, epoch, seq, checked_seq, manifest, "
        "pieces, files, bytes, left_out, fingerprint, saved_at) select $2, c.id, c.tenant, 0, "
        "least(c.seq, coalesce($3, 0)), least(c.checked_seq, coalesce($3, 0)), c.manifest, "
        "c.pieces, c.files, c.bytes, c.left_out, '', c.saved_at from checkpoints c "
        "where c.session_id = $1 and case when $3::bigint is null "
        "then c.id = (select max(id) from checkpoints where session_id = $1) else c.seq <= $3 end",
        parent,
        child,
        through,
    )


# ---- writing ------------------------------------------------------------------------------------


async def publish(
    db: Database, tenant: str, session: str, claim: Claim, new: NewCheckpoint
) -> str | None:
    """The id, or None when its epoch is over. Raises PiecesGone."""
    checkpoint = new_id("ckpt")
    async with db.tenant(tenant) as connection:
        live = await connection.fetchval(
            "select epoch from sessions where id = $1 and deleted_at is null for share", session
        )
        if live != new.epoch:
            return None
        gone = await pieces.written(connection, claim, new.sizes)
        if gone:
            raise PiecesGone(f"{gone} of {len(claim.keys)} are gone")
        await connection.execute(
            "insert into checkpoints (session_id, id, tenant, epoch, seq, checked_seq, manifest, "
            "pieces, files, bytes, left_out, fingerprint) "
            "values ($1,$2,$3,$4,$5,$5,$6,$7,$8,$9,$10,$11)",
            session,
            checkpoint,
            tenant,
            new.epoch,
            new.seq,
            new.manifest,
            b"".join(new.pieces),
            new.files,
            new.size,
            json.dumps(new.left_out),
            new.fingerprint,
        )
        await connection.execute(
            "delete from checkpoints where session_id = $1 and id not in (select id from "
            "checkpoints where session_id = $1 order by id desc limit $2)",
            session,
            KEPT,
        )
    return checkpoint


async def still_so(db: Database, tenant: str, session: str, epoch: int, seq: int) -> None:
    """The newest checkpoint is the directory at this point of the log too.

    Nothing is written, and no disk waited for, where no tool ran since: `tool_used_since` says the
    same of both points then.
    """
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "update checkpoints c set checked_seq = $3 from sessions s "
            "where s.id = $1 and s.epoch = $2 and c.session_id = s.id and c.checked_seq < $3 "
            "and c.id = (select max(id) from checkpoints where session_id = $1) "
            "and exists (select from events e where e.month = s.month and e.session_id = s.id "
            "and e.seq > c.checked_seq and e.seq <= $3 and e.type = any($4))",
            session,
            epoch,
            seq,
            list(TOOL_RESULTS),
        )


async def point_of(db: Database, tenant: str, session: str, seq: int) -> int:
    """Where in the log a directory belongs that has just been listed for `seq`.

    A tool that began before the listing ended may have changed files: what was listed is then of
    its turn, and must not pass for what was there before that turn's message. The log has a tool's
    use before the tool runs.
    """
    async with db.tenant(tenant) as connection:
        newer: int | None = await connection.fetchval(
            "select max(e.seq) from events e join sessions s on s.id = e.session_id "
            "and s.month = e.month where e.session_id = $1 and e.seq > $2 "
            "and e.type = any($3)",
            session,
            seq,
            list(TOOL_USES),
        )
    return newer or seq


async def tool_used_since(db: Database, tenant: str, session: str, seq: int) -> bool:
    """Whether a tool ran in this session after this point of the log, and so may have changed
    files. What a fork's log has copied ran elsewhere."""
    async with db.tenant(tenant) as connection:
        found: bool = await connection.fetchval(
            "select exists (select from events e join sessions s on s.id = e.session_id "
            "and s.month = e.month where e.session_id = $1 "
            "and e.seq > greatest($2, coalesce(s.forked_seq, 0)) and e.type = any($3))",
            session,
            seq,
            list(TOOL_RESULTS),
        )
    return found


async def tool_used(db: Database, tenant: str, session: str, after: int, until: int) -> bool:
    """Whether the log has a tool's result between these places."""
    async with db.tenant(tenant) as connection:
        found: bool = await connection.fetchval(
            "select exists (select from events e join sessions s on s.id = e.session_id "
            "and s.month = e.month where e.session_id = $1 and e.seq > $2 and e.seq <= $3 "
            "and e.type = any($4))",
            session,
            after,
            until,
            list(TOOL_RESULTS),
        )
    return found
