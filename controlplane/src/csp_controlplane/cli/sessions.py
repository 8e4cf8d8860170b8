"""`csp sessions`: what there is, newest first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import typer

from csp_controlplane.cli import tables
from csp_controlplane.cli.connection import gateway

PAGE = 100


def list_sessions(*, archived: bool, limit: int, json_output: bool) -> None:
    """A table, or one JSON object a line as the API shows it."""
    sessions = asyncio.run(_fetch(archived, limit))
    if json_output:
        for session in sessions:
            typer.echo(orjson.dumps(session).decode())
        return
    if not sessions:
        typer.echo('There are no sessions yet. Begin one: csp chat "hello"')
        return
    rows = tables.table("Session", "State", "Title", "Last active", "Cost")
    now = datetime.now(UTC)
    for session in sessions:
        state = "needs answer" if session["pending"] else session["state"]
        rows.add_row(
            session["id"],
            "archived" if session["archived_at"] else state,
            session["title"] or "",
            ago(now, datetime.fromisoformat(session["last_event_at"])),
            f"${session['cost_usd']:.2f}",
        )
    tables.show(rows)


async def _fetch(archived: bool, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with gateway("csp sessions") as target:
        page: str | None = None
        while len(found) < limit:
            params: dict[str, Any] = {"limit": min(PAGE, limit - len(found))}
            if archived:
                params["include_archived"] = "true"
            if page is not None:
                params["page"] = page
            answer = await target.call("GET", "/sessions", params=params)
            found += answer["data"]
            page = answer["next_page"]
            if page is None:
                break
    return found


def ago(now: datetime, then: datetime) -> str:
    """A distance in time in the largest unit that fits."""
    seconds = max(0.0, (now - then).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "just now"
