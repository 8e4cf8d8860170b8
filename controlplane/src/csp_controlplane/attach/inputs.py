"""Which events of the log go to the worker as input, and in which form."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import date
from typing import Any

import orjson

from csp_controlplane.domain.events import LoggedEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.vocabulary import INPUT_TYPES
from csp_controlplane.store.database import Database
from csp_controlplane.store.log import LogQuery, query_log
from csp_proto import worker_pb2 as pb

PAGE = 500


def due(
    events: Iterable[LoggedEvent], cursor: int, bound_seq: int, fold: Fold
) -> list[LoggedEvent]:
    """The inputs beyond the worker's cursor.

    Of what is older than the binding only messages that are still queued are due, with their
    newest content: answers and interrupts of earlier epochs were meant for earlier turns.
    """
    queued = {message.id for message in fold.queue}
    newest: dict[str, Any] = {}
    chosen = []
    for event in events:
        if event.seq <= bound_seq and event.type == "user.message_update":
            update = orjson.loads(event.raw)
            newest[update["message_id"]] = update["content"]
        if event.seq <= cursor or event.type not in INPUT_TYPES:
            continue
        if event.seq <= bound_seq and not (event.type == "user.message" and event.id in queued):
            continue
        chosen.append(event)
    return [_with_content(event, newest.get(event.id)) for event in chosen]


def _with_content(event: LoggedEvent, content: Any) -> LoggedEvent:
    if content is None:
        return event
    body = {**orjson.loads(event.raw), "content": content}
    return LoggedEvent(event.seq, event.id, event.type, orjson.dumps(body))


async def frame(db: Database, tenant: str, event: LoggedEvent) -> pb.GatewayFrame:
    """The input frame, with uploaded files in place of their ids."""
    payload = event.raw
    if b'"file_id"' in payload:
        body = orjson.loads(payload)
        if await _embed_files(db, tenant, body.get("content", [])):
            payload = orjson.dumps(body)
    return pb.GatewayFrame(
        input=pb.Input(seq=event.seq, id=event.id, type=event.type, payload=payload)
    )


async def _embed_files(db: Database, tenant: str, content: list[dict[str, Any]]) -> bool:
    changed = False
    for place, block in enumerate(content):
        source = block.get("source") or {}
        if source.get("type") != "file":
            continue
        changed = True
        async with db.tenant(tenant) as connection:
            row = await connection.fetchrow(
                "select name, media_type, data from blobs where id = $1", source["file_id"]
            )
        if row is None:
            missing = f"[The attached file {source['file_id']} no longer exists.]"
            content[place] = {"type": "text", "text": missing}
        elif row["media_type"].startswith("text/") and block["type"] == "document":
            block["source"] = {
                "type": "text",
                "media_type": "text/plain",
                "data": row["data"].decode("utf-8", "replace"),
            }
            block.setdefault("title", row["name"])
        else:
            data = base64.b64encode(row["data"]).decode()
            block["source"] = {"type": "base64", "media_type": row["media_type"], "data": data}
    return changed


async def log_of_inputs(
    db: Database, tenant: str, month: date, session: str, cursor: int, bound_seq: int, fold: Fold
) -> list[LoggedEvent]:
    """What is due to a worker with this cursor, read from the log."""
    events: list[LoggedEvent] = []
    after = cursor
    while True:
        query = LogQuery(limit=PAGE, after=after, types=sorted(INPUT_TYPES))
        page = await query_log(db, tenant, month, session, query)
        events += page.events
        if not page.more:
            return due(events, cursor, bound_seq, fold)
        after = page.events[-1].seq


async def cursor_for_new_epoch(
    db: Database, tenant: str, month: date, session: str, bound_seq: int, fold: Fold
) -> int:
    """Just before the oldest message that no turn has started; the log's end when there is none."""
    if not fold.queue:
        return bound_seq
    async with db.tenant(tenant) as connection:
        first: int | None = await connection.fetchval(
            "select min(seq) from events where month = $1 and session_id = $2 and id = any($3)",
            month,
            session,
            [message.id for message in fold.queue],
        )
    return bound_seq if first is None else first - 1
