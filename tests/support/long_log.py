"""A session with a long log, written at once instead of over days."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from csp_controlplane.domain.events import NewEvent
from csp_controlplane.domain.ids import new_id
from csp_controlplane.store.database import Database
from csp_controlplane.store.log import append_control
from csp_controlplane.supervisor.access import OWNER_TENANT
from support.play import new_session
from support.stack import Stack
from support.waiting import wait_until

_STAMP = "2030-01-01T12:00:00.000Z"
_LISTING = "\n".join(f"-rw-r--r-- 1 user user {n * 17} Jan 1 12:00 file{n}.txt" for n in range(12))
_ANSWER = """### Step {n}

The answer of step **{n}** is in `file{n}.txt`, and it is long enough to fill a few lines.

```python
def step_{n}(value: int) -> int:
    return value + {n}
```

- first, look at it
- then go on
"""


async def long_session(stack: Stack, count: int) -> str:
    """The id of a session with `count` events of whole turns: what was said, thought and run.

    It has no worker while they are written, else that would take the messages for new ones.
    """
    async with stack.client() as client:
        session = await new_session(client)

        async def rests() -> bool:
            return bool(
                (await client.post(f"/sessions/{session}/archive")).json()["state"] == "paused"
            )

        await wait_until(rests, 60, "the session giving its worker back", interval=0.5)
        await _write(stack.instance.database_url, session, count)
        (await client.post(f"/sessions/{session}/unarchive")).raise_for_status()
    return session


async def _write(database_url: str, session: str, count: int) -> None:
    events = [event for _, event in zip(range(count), turns(), strict=False)]
    db = await Database.connect(database_url, max_size=1, application="csp-test")
    try:
        for at in range(0, count, 500):
            await append_control(db, OWNER_TENANT, session, events[at : at + 500], None)
    finally:
        await db.close()


def turns() -> Iterator[NewEvent]:
    """Events of one whole turn after the other, without end."""
    number = 0
    while True:
        number += 1
        said = _event("user.message", content=_text(f"Question {number}"), client_id=f"c{number}")
        begun = _event("span.turn_start", message_ids=[said.id], origin="user")
        yield from (said, begun)
        yield _event("agent.thinking", thinking="What would a careful person check first? " * 6)
        for command in ("ls -la", "git status"):
            used = _event(
                "agent.tool_use",
                name="Bash",
                input={"command": command, "description": "Look"},
                evaluated_permission="allow",
            )
            yield used
            yield _event(
                "agent.tool_result",
                tool_use_id=used.id,
                content=_text(_LISTING),
                is_error=False,
                duration_ms=40,
            )
        yield _event("agent.message", content=_text(_ANSWER.format(n=number)))
        yield _event(
            "span.turn_end",
            outcome="completed",
            reason="end_turn",
            turn_start_id=begun.id,
            message_ids=[said.id],
            duration_ms=2500,
        )
        yield _event("session.status_idle", stop_reason={"type": "end_turn"}, state="active")


def _text(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _event(type_: str, **fields: Any) -> NewEvent:
    id_ = new_id("sevt")
    body = {"id": id_, "type": type_, "processed_at": _STAMP, **fields}
    return NewEvent(id_, type_, json.dumps(body).encode())
