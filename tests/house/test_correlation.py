"""One id is followed through a real installation: message, gateway, worker, CLI, model proxy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csp_worker.process import bundled_cli
from support.play import new_session, say, script
from support.stack import Stack
from support.viewer import Viewer
from support.waiting import wait_until

Line = dict[str, Any]


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An installation whose CLI says on its stderr what it does."""
    cli = tmp_path_factory.mktemp("cli") / "claude"
    cli.write_text(f'#!/bin/sh\nexec {bundled_cli()} --debug-to-stderr "$@"\n')
    cli.chmod(0o755)
    with Stack(environment={"CSP_WORKER_CLI_PATH": str(cli)}) as running:
        yield running


def lines_of(stack: Stack) -> list[Line]:
    found: list[Line] = []
    for path in sorted(Path(stack.layout.logs).glob("*.log*")):
        found += [json.loads(line) for line in path.read_text(errors="replace").splitlines()]
    return found


async def test_the_id_of_a_message_is_on_the_lines_of_everybody_who_works_on_it(
    talkative: Stack,
) -> None:
    async with talkative.client() as client:
        user = (await client.get("/me")).json()["user"]["id"]
        session = await new_session(client)
        viewer = Viewer(talkative.url, session, talkative.headers)
        await viewer.connect()
        try:
            first = await viewer.say(script(say("one")), client_id="first-message")
            await viewer.fact("span.turn_end", message_ids=[first["id"]])
            message = await viewer.say(script(say("two")), client_id="second-message")
            await viewer.fact("span.turn_end", message_ids=[message["id"]])
        finally:
            await viewer.close()
        sent = await client.post(
            f"/sessions/{session}/events",
            json={"events": [{"type": "user.interrupt"}]},
            headers={"x-request-id": "by-rest"},
        )

    def turn_lines() -> list[Line]:
        found = [line for line in lines_of(talkative) if line.get("request_id") == "second-message"]
        ended = any(line.get("event") == "turn ended" for line in found)
        return found if ended else []

    lines = await wait_until(turn_lines, 20, "the turn's lines")
    assert {line["session_id"] for line in lines} == {session}
    assert {line["user_id"] for line in lines} == {user}
    said = {(line["component"], line.get("message") or line["event"]) for line in lines}
    assert ("gateway", "events_accepted") in said
    assert {("worker", "turn started"), ("worker", "turn ended"), ("worker", "CLI stderr")} <= said
    accepted = next(line for line in lines if line.get("message") == "events_accepted")
    assert accepted["events"] == [message["id"]]
    by_worker = [line for line in lines if line["component"] == "worker"]
    assert {line["message_id"] for line in by_worker} == {message["id"]}

    # The trace of the bind joins what is longer than a message.
    bound = next(line for line in lines_of(talkative) if line.get("message") == "worker_bound")
    assert {line["traceparent"] for line in by_worker} == {bound["traceparent"]}
    assert sent.json()["data"][0]["request_id"] == sent.headers["request-id"] == "by-rest"
