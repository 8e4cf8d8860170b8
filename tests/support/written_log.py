"""Sessions as files, written by the test: the quickest way to a session with a given log."""

from __future__ import annotations

import json
from typing import Any

import httpx

CLAUDE = "0195c1de-0000-7000-8000-000000000001"
_STAMP = "2030-01-01T12:00:{:02d}.000Z"


def event(seq: int, type_: str, **fields: Any) -> dict[str, Any]:
    """An event as a file has it."""
    stamp = _STAMP.format(seq % 60)
    return {"seq": seq, "id": f"sevt_{seq:026d}", "type": type_, "processed_at": stamp, **fields}


def text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}]


def conversation(
    question: str = "What is the tide?", answer: str = "High."
) -> list[dict[str, Any]]:
    """One turn with a tool."""
    said = f"sevt_{1:026d}"
    start, used = f"sevt_{2:026d}", f"sevt_{4:026d}"
    return [
        event(1, "user.message", content=text(question), user_id="user_x", client_id="c1"),
        event(2, "span.turn_start", message_ids=[said], origin="user"),
        event(3, "agent.thinking", thinking="Look at the moon."),
        event(4, "agent.tool_use", name="Bash", input={"command": "moon"}),
        event(5, "agent.tool_result", tool_use_id=used, content=text("full"), is_error=False),
        event(6, "agent.message", content=text(answer)),
        event(7, "session.usage", usage={"cost_microusd": 4200}),
        event(8, "span.turn_end", outcome="completed", turn_start_id=start, message_ids=[said],
              duration_ms=1500),
    ]  # fmt: skip


def file_of(
    events: list[dict[str, Any]],
    entries: list[dict[str, Any]] | None = None,
    *,
    title: str = "Tides",
    **head: Any,
) -> list[str]:
    """The lines of an exported session."""
    begin = {
        "type": "csp.session",
        "version": 1,
        "id": "sesn_elsewhere",
        "title": title,
        "agent": "Sailor",
        "created_at": "2030-01-01T11:00:00Z",
        "exported_at": "2030-01-02T11:00:00Z",
        "claude_session_id": CLAUDE if entries else None,
        **head,
    }
    lines = [{"type": "csp.transcript", "subpath": "", "entry": entry} for entry in entries or []]
    end = {"type": "csp.end", "events": len(events), "transcript": len(lines)}
    return [json.dumps(line, separators=(",", ":")) for line in (begin, *events, *lines, end)]


async def send(client: httpx.AsyncClient, lines: list[str]) -> httpx.Response:
    return await client.post("/sessions/import", content="\n".join(lines))


async def imported(client: httpx.AsyncClient, lines: list[str]) -> str:
    """The id of the session."""
    answer = await send(client, lines)
    assert answer.status_code == 200, answer.text
    session: str = answer.json()["id"]
    return session
