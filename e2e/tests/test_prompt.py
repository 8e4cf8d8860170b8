"""An AgentSession that somebody applies and goes away: its prompt runs, and its answer is kept."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from e2e.installation import Installation
from e2e.sessions import KIND, Resource, condition, log_of, resource, until_condition
from support.play import bash, say, script
from support.waiting import wait_until


async def test_an_applied_prompt_ends_with_its_answer_in_the_log_and_in_the_status(
    installation: Installation,
) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)  # times in a status are whole seconds
    installation.apply(resource("greeting", prompt=script(say("Good morning."))))
    finished = await until_condition(installation, "greeting", "Ready")
    session_id = finished["status"]["sessionId"]
    assert re.fullmatch(r"sesn_\w+", session_id)
    await until_condition(installation, "greeting", "TurnActive", "False")

    async with installation.client() as client:

        async def accounted() -> Resource | None:
            """The cost is settled after the answer, and told at most every 30 s."""
            status: Resource = installation.get(KIND, "greeting")["status"]
            counted = (await client.get(f"/sessions/{session_id}")).json()["cost_usd"]
            told = float(status.get("cost") or 0)
            return status if told > 0 and told == pytest.approx(counted, abs=1e-6) else None

        status = await wait_until(accounted, 90, "the status telling what it cost", interval=0.5)
    assert status is not None
    assert status["result"] == "Good morning."
    assert status["claudeSessionId"]
    assert began <= datetime.fromisoformat(status["lastActivity"]) <= datetime.now(UTC)
    log = await log_of(installation, session_id)
    said = [event for event in log if event["type"] == "agent.message"]
    assert said[-1]["content"][0]["text"] == "Good morning."
    installation.csp("delete", KIND, "greeting", "--wait=true")


async def test_a_prompt_that_needs_a_tool_works_in_the_pod_and_denies_what_nobody_allows(
    installation: Installation,
) -> None:
    text = script(bash("echo from the pod > note.txt; cat note.txt"), say("Done."))
    installation.apply(resource("careful", prompt=text))
    await until_condition(installation, "careful", "Ready")
    found = await until_condition(installation, "careful", "TurnActive", "False")
    log = await log_of(installation, found["status"]["sessionId"])
    results = [event for event in log if event["type"] == "agent.tool_result"]
    assert results and results[-1]["is_error"], "onApproval is Deny"
    installation.csp("delete", KIND, "careful", "--wait=true")


async def test_a_person_sees_in_one_line_how_a_session_is(installation: Installation) -> None:
    installation.apply(resource("seen"))
    await until_condition(installation, "seen", "Ready")
    wide = installation.csp("get", "as", "seen", "-o", "wide")
    assert "seen" in wide and "Bound" in wide, wide
    waited = installation.csp("wait", "--for=condition=Ready", "as/seen", "--timeout=10s")
    assert "condition met" in waited
    assert condition(installation.get(KIND, "seen"), "Ready")["message"]
    assert "pool" in installation.kubectl("explain", "as.spec").lower()
    installation.csp("delete", KIND, "seen", "--wait=true")
