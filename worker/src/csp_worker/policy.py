"""The one decision about every tool call. Pure: rules and modes in, a verdict out.

The agent's definition comes first, and the most restrictive rule that matches wins. What a person
allowed for the session turns a question into a permission, never a refusal. The permission mode
comes last and only ever works on what the definition left open: it makes questions into refusals
(dontAsk), some of them into permissions (acceptEdits), or refuses what changes anything but the
plan (plan).
bypassPermissions skips questions only when the definition itself has that mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from csp_crds.agent import AgentSpec, Permission, PermissionMode
from csp_worker.rules import EDIT_TOOLS, Rule, ToolCall, canonical, inside, path_argument

READ_ONLY = frozenset(
    {"Read", "Glob", "Grep", "LS", "WebFetch", "WebSearch", "TodoWrite", "Agent",
     "AskUserQuestion", "ExitPlanMode", "StructuredOutput", "Skill", "TaskOutput"}
)  # fmt: skip
QUESTIONS = frozenset({"AskUserQuestion", "ExitPlanMode"})
_ORDER: dict[Permission, int] = {"allow": 0, "ask": 1, "deny": 2}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a call; `reason` is a sentence, shown to the model when it is refused."""

    permission: Permission
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The definition's rules, the mode as it is now, and what a person allowed on the way."""

    rules: Mapping[str, Permission]
    default: Permission
    mode: PermissionMode
    may_bypass: bool
    allowed: Sequence[str] = field(default=())
    plans: str | None = None
    """Directory of the plan that plan mode is for; None: there is no such file."""

    @classmethod
    def of(cls, spec: AgentSpec, allowed: Sequence[str], plans: str | None = None) -> Policy:
        """As it is when the session is bound."""
        may_bypass = "bypassPermissions" in spec.permission_modes
        return cls(
            spec.permissions, spec.default_permission, spec.permission_mode, may_bypass,
            tuple(allowed), plans,
        )  # fmt: skip

    def with_mode(self, mode: PermissionMode) -> Policy:
        return replace(self, mode=mode)

    def allowing(self, rule: str) -> Policy:
        """After a person allowed this rule for the rest of the session."""
        return self if rule in self.allowed else replace(self, allowed=(*self.allowed, rule))

    def decide(self, call: ToolCall) -> Verdict:
        """The verdict about one call."""
        verdict = self._by_rules(call)
        if verdict.permission == "ask" and call.name not in QUESTIONS and self._allowed(call):
            verdict = Verdict("allow", "allowed for this session")
        return self._by_mode(call, verdict)

    def _by_rules(self, call: ToolCall) -> Verdict:
        name = canonical(call.name)
        if name == "StructuredOutput":
            # How the CLI takes a structured result: not an act of the agent.
            return Verdict("allow", "how a structured result is returned")
        found: tuple[Permission, str] | None = None
        for text, permission in self.rules.items():
            rule = Rule.parse(text)
            applies = rule.permits(call) if permission == "allow" else rule.restricts(call)
            if applies and (found is None or _ORDER[permission] > _ORDER[found[0]]):
                found = (permission, f"rule {text}")
        permission, reason = found or (self.default, "no rule names it")
        if name in QUESTIONS and permission == "allow":
            return Verdict("ask", "a question to a person")
        return Verdict(permission, reason)

    def _allowed(self, call: ToolCall) -> bool:
        return any(Rule.parse(text).permits(call) for text in self.allowed)

    def _by_mode(self, call: ToolCall, verdict: Verdict) -> Verdict:
        name = canonical(call.name)
        if verdict.permission == "deny":
            return verdict
        if self.mode == "plan" and name in EDIT_TOOLS and self._is_plan(call):
            return Verdict("allow", "plan mode: the plan itself is written down")
        if self.mode == "plan" and name not in READ_ONLY:
            return Verdict("deny", "plan mode: nothing may be changed before the plan is accepted")
        if verdict.permission == "allow":
            return verdict
        if self.mode == "dontAsk":
            return Verdict("deny", "it would need a question, and this session asks none")
        if self.mode == "acceptEdits" and name in EDIT_TOOLS:
            if inside(path_argument(call), call.cwd):
                return Verdict("allow", "edits in the working directory are accepted")
            return verdict
        if self.mode == "bypassPermissions" and self.may_bypass and name != "AskUserQuestion":
            return Verdict("allow", "this agent asks no permission")
        return verdict

    def _is_plan(self, call: ToolCall) -> bool:
        path = PurePath(call.cwd, path_argument(call) or ".")
        return self.plans is not None and inside(str(path), self.plans)
