"""`csp chat`: makes or resumes a session and talks to it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import typer

from csp_controlplane.cli.chat.answers import asks
from csp_controlplane.cli.chat.conversation import ChatOptions, Conversation
from csp_controlplane.cli.connection import Gateway, gateway
from csp_controlplane.supervisor.errors import CommandError, ExitCode


def chat(
    prompt: str | None,
    *,
    resume: str | None,
    agent: str | None,
    model: str | None,
    json_lines: bool,
    approve: bool,
) -> int:
    """Blocks until the conversation is over; returns the exit code."""
    if prompt is None and not sys.stdin.isatty():
        prompt = sys.stdin.read()
    if prompt is not None and not prompt.strip():
        raise CommandError("There is nothing to say: give a prompt.", ExitCode.USAGE)
    options = ChatOptions(prompt, approve, json_lines)
    return asyncio.run(_chat(options, resume, {"agent": agent, "model": model}))


async def _chat(options: ChatOptions, resume: str | None, wanted: dict[str, str | None]) -> int:
    async with gateway("csp chat") as target:
        if resume is not None:
            session = await target.call("GET", f"/sessions/{resume}")
            waiting = await _waiting(target, session)
        else:
            body = {name: value for name, value in wanted.items() if value}
            session = await target.call("POST", "/sessions", json=body)
            waiting = []
        if options.json_lines:
            typer.echo(f"session {session['id']}", err=True)
        return await Conversation(target, session, options).run(waiting)


async def _waiting(target: Gateway, session: dict[str, Any]) -> list[dict[str, Any]]:
    """The tool uses of a resumed session that wait for an answer."""
    if not session["pending"]:
        return []
    page = await target.call(
        "GET",
        f"/sessions/{session['id']}/events",
        params={"order": "desc", "limit": 200, "types[]": ["agent.tool_use", "agent.mcp_tool_use"]},
    )
    return [event for event in page["data"] if event["id"] in session["pending"] and asks(event)]
