"""Plan mode with the real CLI: nothing is changed, the plan is a question, its answer ends it."""

from __future__ import annotations

import pytest

from support.worker_client import Gateway, WorkerProcess, spec
from worker.conftest import NewGateway


@pytest.fixture
async def planning(worker: WorkerProcess, new_gateway: NewGateway) -> Gateway:
    return await new_gateway(worker).open(spec(permission_mode="plan"))


async def test_an_accepted_plan_lets_the_agent_begin(planning: Gateway) -> None:
    message = planning.message("plan first")
    asked = await planning.event("agent.tool_use", 2)
    written = planning.log.of("agent.tool_use")[0]
    assert (written["name"], written["evaluated_permission"]) == ("Write", "allow")
    assert (asked["name"], asked["evaluated_permission"]) == ("ExitPlanMode", "ask")
    assert asked["input"]["plan"].startswith("# A page about the tides")

    planning.confirm(asked)
    planning.send("session.updated", permission_mode="default")
    end = await planning.turn_end(message)
    assert end["outcome"] == "completed"
    result = planning.log.of("agent.tool_result")[1]
    assert not result["is_error"]
    assert "approved your plan" in result["content"][0]["text"]

    run = planning.message("run: touch begun")
    command = await planning.event("agent.tool_use", 3)
    assert command["evaluated_permission"] == "ask"
    planning.confirm(command)
    await planning.turn_end(run)
    assert (planning.worker.workspace_root / planning.session_id / "begun").exists()


async def test_a_plan_that_is_sent_back_is_planned_on(planning: Gateway) -> None:
    message = planning.message("plan first")
    asked = await planning.event("agent.tool_use", 2)
    planning.confirm(asked, "deny", deny_message="Without a table, please.")
    assert (await planning.turn_end(message))["outcome"] == "completed"
    assert "Without a table" in str(planning.log.of("agent.tool_result")[1]["content"])

    await planning.turn("run: touch begun")
    command = planning.log.of("agent.tool_use")[2]
    assert command["evaluated_permission"] == "deny"
    assert "plan mode" in command["reason"]
