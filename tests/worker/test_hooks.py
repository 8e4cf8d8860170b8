"""The gate before there is a session: a spare's hooks are registered, and nothing may run."""

from __future__ import annotations

from claude_agent_sdk import PermissionResultDeny, ToolPermissionContext

from csp_worker.hooks import NOT_BOUND, Gate


async def test_a_worker_without_a_session_runs_no_tool() -> None:
    given = {"tool_name": "Bash", "tool_input": {"command": "touch never"}}
    answer = await Gate(1.0).pre_tool_use(given, "toolu_1", {"signal": None})
    assert answer.get("hookSpecificOutput") == {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": NOT_BOUND,
    }


async def test_a_question_of_a_worker_without_a_session_is_refused() -> None:
    context = ToolPermissionContext(tool_use_id="toolu_1")
    answer = await Gate(1.0).can_use_tool("Bash", {"command": "touch never"}, context)
    assert isinstance(answer, PermissionResultDeny)
