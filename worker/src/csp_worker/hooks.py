"""The gate that every tool call passes: decided, written down, and asked about where need be.

One merged PreToolUse hook, because the CLI runs several in parallel and lets the last one win. It
waits until the call is durable: nothing runs that the log does not know. What the policy leaves to
a person waits in the CLI's permission callback for an answer from the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from claude_agent_sdk import (
    PermissionResultAllow,
    PermissionResultDeny,
    ToolPermissionContext,
)
from claude_agent_sdk.types import HookContext, SyncHookJSONOutput

from csp_crds.agent import Permission, PermissionMode
from csp_worker.eventlog import EventLog
from csp_worker.plans import Plans
from csp_worker.policy import Policy, Verdict
from csp_worker.rules import ToolCall, suggest
from csp_worker.toolbook import Call, ToolBook

NOT_BOUND = "This worker has no session yet."
NOT_RECORDED = "The call could not be recorded in time, so it was not run. Try again in a moment."
REFUSED = "A person refused this tool call."
NO_QUESTION = "This call was not decided by the session's policy, so it was not run."
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Bound:
    log: EventLog
    book: ToolBook
    policy: Policy
    plans: Plans
    cwd: str
    clock: Callable[[], float]


class Gate:
    """Exists before the session does, since a spare registers its hooks when it starts."""

    def __init__(self, ack_seconds: float) -> None:
        self._ack_seconds = ack_seconds
        self._bound: _Bound | None = None
        self._questions: dict[str, asyncio.Future[dict[str, Any]]] = {}

    def bind(
        self,
        log: EventLog,
        book: ToolBook,
        policy: Policy,
        plans: Plans,
        cwd: str,
        clock: Callable[[], float],
    ) -> None:
        """From now on calls are decided by this policy."""
        self._bound = _Bound(log, book, policy, plans, cwd, clock)

    @property
    def waits_for_person(self) -> bool:
        """Whether a call waits for an answer."""
        return any(not question.done() for question in self._questions.values())

    def set_mode(self, mode: PermissionMode) -> None:
        if self._bound is not None:
            self._bound.policy = self._bound.policy.with_mode(mode)

    async def pre_tool_use(
        self, given: Any, tool_use_id: str | None, context: HookContext
    ) -> SyncHookJSONOutput:
        """The hook. What it raises, the CLI takes for a refusal."""
        bound = self._bound
        if bound is None or tool_use_id is None:
            return _hook_answer(Verdict("deny", NOT_BOUND))
        name, tool_input = str(given["tool_name"]), given.get("tool_input") or {}
        call = await bound.book.wait_for(tool_use_id, name, tool_input)
        # The CLI fills in what it will really use; of a plan it shows the hook nothing.
        call.input = tool_input or call.input
        if name == "ExitPlanMode" and (plan := bound.plans.newest()) is not None:
            call.input = {**call.input, "plan": plan}
        described = ToolCall(name, tool_input, bound.cwd)
        verdict = bound.policy.decide(described)
        if verdict.permission == "ask":
            call.suggested_rule = suggest(described)
            self._questions[tool_use_id] = asyncio.get_running_loop().create_future()
        emitted = bound.book.emit(call, verdict.permission, verdict.reason, bound.clock())
        try:
            await bound.log.durable(emitted, self._ack_seconds)
        except TimeoutError:
            self._questions.pop(tool_use_id, None)
            _log.warning("tool call not acknowledged", event_id=emitted.id)
            return _hook_answer(Verdict("deny", NOT_RECORDED))
        except asyncio.CancelledError:
            self._questions.pop(tool_use_id, None)
            raise
        return _hook_answer(verdict)

    async def can_use_tool(
        self, name: str, tool_input: dict[str, Any], context: ToolPermissionContext
    ) -> PermissionResultAllow | PermissionResultDeny:
        """The CLI's question to a person; cancelled when the turn is interrupted."""
        bound = self._bound
        call = bound.book.get(context.tool_use_id) if bound else None
        if bound is None or call is None:
            return PermissionResultDeny(message=NO_QUESTION)
        question = self._questions.get(call.tool_use_id)
        if question is None:
            # The CLI has doubts of its own about a call that the policy has allowed.
            if call.permission == "allow":
                return PermissionResultAllow()
            return PermissionResultDeny(message=NO_QUESTION)
        try:
            answer = await question
        finally:
            self._questions.pop(call.tool_use_id, None)
        return self._apply(bound, call, tool_input, answer)

    def answer(self, confirmation: dict[str, Any]) -> None:
        """A person's `user.tool_confirmation`; one to a question that is gone is left out."""
        bound = self._bound
        call = bound.book.by_event(str(confirmation.get("tool_use_id"))) if bound else None
        question = self._questions.get(call.tool_use_id) if call else None
        if question is None or question.done():
            _log.info("answer to no open question", event_id=confirmation.get("tool_use_id"))
            return
        question.set_result(confirmation)

    def forget_questions(self) -> None:
        """The CLI that asked them is gone."""
        for question in self._questions.values():
            question.cancel()
        self._questions.clear()

    def _apply(
        self, bound: _Bound, call: Call, tool_input: dict[str, Any], answer: dict[str, Any]
    ) -> PermissionResultAllow | PermissionResultDeny:
        call.started_at = bound.clock()
        if answer.get("result") != "allow":
            return PermissionResultDeny(message=str(answer.get("deny_message") or REFUSED))
        changed = answer.get("updated_input")
        if isinstance(changed, dict):
            # A person may answer a question, not lift a refusal that the definition contains.
            verdict = bound.policy.decide(ToolCall(call.name, changed, bound.cwd))
            if verdict.permission == "deny":
                message = f"The edited input is not allowed: {verdict.reason}."
                return PermissionResultDeny(message=message)
        else:
            changed = None
        if call.name == "AskUserQuestion":
            base = changed if changed is not None else tool_input
            changed = {**base, "answers": _answers(answer.get("answers"))}
        if answer.get("scope") == "session" and call.suggested_rule:
            bound.policy = bound.policy.allowing(call.suggested_rule)
        if call.name == "ExitPlanMode":
            bound.policy = bound.policy.with_mode("default")
        return PermissionResultAllow(updated_input=changed)


def _answers(given: Any) -> dict[str, str]:
    """Question to answer; several choices become one text."""
    if not isinstance(given, dict):
        return {}
    return {
        str(question): ", ".join(map(str, answer)) if isinstance(answer, list) else str(answer)
        for question, answer in given.items()
    }


def _hook_answer(verdict: Verdict) -> SyncHookJSONOutput:
    permission: Permission = verdict.permission
    return {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": permission,
            "permissionDecisionReason": verdict.reason,
        }
    }
