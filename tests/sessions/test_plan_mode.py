"""A plan from the first message to its acceptance, over a whole installation."""

from __future__ import annotations

from support.play import new_session
from support.stack import Stack
from support.viewer import Viewer


async def test_accepting_a_plan_leaves_plan_mode_and_the_log_says_so(stack: Stack) -> None:
    async with stack.client() as client:
        session = await new_session(client, options={"permission_mode": "plan"})
        async with Viewer(stack.url, session, stack.headers) as viewer:
            await viewer.say("plan first")
            asked = await viewer.fact("agent.tool_use", name="ExitPlanMode")
            assert asked["evaluated_permission"] == "ask"
            assert "# A page about the tides" in asked["input"]["plan"]
            planning = (await client.get(f"/sessions/{session}")).json()
            assert planning["permission_mode"] == "plan"

            await viewer.answer(asked)
            await viewer.fact("session.updated", permission_mode="default")
            await viewer.fact("span.turn_end", outcome="completed")
            assert "accepted" in viewer.text()

            await viewer.say("run: touch begun")
            command = await viewer.fact("agent.tool_use", name="Bash")
            assert command["evaluated_permission"] == "ask", command["reason"]
            await viewer.answer(command, "deny")
            await viewer.fact("agent.tool_result", is_error=True)
        accepted = (await client.get(f"/sessions/{session}")).json()
        assert accepted["permission_mode"] == "default"
