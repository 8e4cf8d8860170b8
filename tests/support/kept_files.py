"""Checkpoints without a worker: what a gateway does when it keeps a directory."""

from __future__ import annotations

import hashlib

from csp_controlplane.store import checkpoints, pieces, sessions
from csp_controlplane.store.checkpoints import NewCheckpoint
from csp_controlplane.store.database import Database
from csp_controlplane.store.objects import ObjectStore
from csp_controlplane.store.pieces import Claim


def named(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


async def claimed(db: Database, tenant: str, session: str, *contents: bytes) -> Claim:
    """The pieces announced, none of them written."""
    row = await sessions.load(db, tenant, session)
    assert row is not None
    claim = await pieces.claim(db, tenant, session, row.epoch, map(named, contents))
    assert claim is not None
    return claim


async def keep(
    db: Database, objects: ObjectStore, tenant: str, session: str, *contents: bytes, seq: int = 1
) -> list[str]:
    """A checkpoint of these pieces and a list of them; the names of its objects."""
    row = await sessions.load(db, tenant, session)
    assert row is not None
    listing = b"list of " + b",".join(contents)
    claim = await claimed(db, tenant, session, listing, *contents)
    sizes = {}
    for data in (listing, *contents):
        if named(data) not in claim.there:
            await objects.put(tenant, claim.keys[named(data)], data)
            sizes[claim.keys[named(data)]] = len(data)
    new = NewCheckpoint(
        row.epoch, seq, named(listing), tuple(map(named, contents)), len(contents), 1,
        {"count": 0, "named": []}, "f", sizes,
    )  # fmt: skip
    assert await checkpoints.publish(db, tenant, session, claim, new) is not None
    return list(claim.keys.values())
