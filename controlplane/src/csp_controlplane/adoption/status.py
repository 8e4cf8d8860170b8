"""What the control plane writes into an AgentSession's status: pure, from facts and what is there.

Conditions follow the Kubernetes conventions: each is always there, with a reason that programs may
rely on and a sentence for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from csp_controlplane.adoption.judging import Refusal
from csp_controlplane.domain.fold import Fold
from csp_controlplane.runtime.kubernetes.sight import sight_of
from csp_controlplane.store.origins import Facts
from csp_crds.conditions import (
    CONTROL_PLANE_CONDITIONS,
    Condition,
    SessionCondition,
    Status,
    renewed,
)

MAX_RESULT = 1024
SOFT = ("cost", "lastActivity")
"""Fields whose change alone is no reason to write at once."""

_NO_HINDRANCE = ("", "Claiming", "Looking", "Paused", "Suspended", "Finished", "NotAccepted")
"""Reasons of an unbound session that are over in a moment or are said in other words here."""

_OWN = ("sessionId", "claudeSessionId", "cost", "lastActivity", "result")
Verdict = tuple[bool, str, str]


def written(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The control plane's part of the status as it stands."""
    status = resource.get("status") or {}
    found = [
        item
        for item in status.get("conditions") or ()
        if isinstance(item, dict) and item.get("type") in CONTROL_PLANE_CONDITIONS
    ]
    part = {name: status[name] for name in _OWN if status.get(name) is not None}
    return {**part, "conditions": sorted(found, key=lambda item: str(item["type"]))}


def of_session(
    resource: Mapping[str, Any], facts: Facts, result: str | None, now: datetime
) -> dict[str, Any]:
    """The status of an accepted resource."""
    fold = facts.fold
    verdicts = {
        SessionCondition.ACCEPTED: (True, "Accepted", "The session exists."),
        SessionCondition.READY: _ready(resource, facts),
        SessionCondition.TURN_ACTIVE: _turn(fold),
        SessionCondition.AWAITING_APPROVAL: _approval(fold),
        SessionCondition.BUDGET_EXHAUSTED: _budget(facts),
    }
    fields = {
        "sessionId": facts.session,
        "claudeSessionId": facts.claude_session_id,
        "cost": f"{facts.cost_microusd / 1_000_000:.6f}",
        "lastActivity": facts.last_event_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "result": shortened(result) if result else None,
    }
    # What somebody else wrote into a field of ours can only be taken back by writing it.
    there = written(resource)
    kept = {
        name: value or "" for name, value in fields.items() if value is not None or name in there
    }
    return {**kept, "conditions": _conditions(resource, verdicts, now)}


def of_refusal(resource: Mapping[str, Any], refusal: Refusal, now: datetime) -> dict[str, Any]:
    """The status of a resource that does not become a session."""
    verdicts = {
        SessionCondition.ACCEPTED: (False, refusal.reason, refusal.message),
        SessionCondition.READY: (False, "NotAccepted", refusal.message),
    }
    return {"conditions": _conditions(resource, verdicts, now)}


def differ(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether there is anything to write."""
    return _without_times(old) != _without_times(new)


def differ_much(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether it has to be written at once."""
    return _hard(old) != _hard(new)


def _hard(status: Mapping[str, Any]) -> dict[str, Any]:
    """Without what may wait: cost and activity, also where a budget's sentence repeats the cost."""
    kept = {name: value for name, value in _without_times(status).items() if name not in SOFT}
    budget = SessionCondition.BUDGET_EXHAUSTED
    kept["conditions"] = [item[:3] if item[0] == budget else item for item in kept["conditions"]]
    return kept


def shortened(text: str) -> str:
    """The beginning of an answer."""
    text = text.strip()
    return text if len(text) <= MAX_RESULT else text[: MAX_RESULT - 1] + "…"


def _without_times(status: Mapping[str, Any]) -> dict[str, Any]:
    conditions = [
        (item.get("type"), item.get("status"), item.get("reason"), item.get("message", ""))
        for item in status.get("conditions") or ()
    ]
    return {**status, "conditions": conditions}


def _conditions(
    resource: Mapping[str, Any], verdicts: Mapping[SessionCondition, Verdict], now: datetime
) -> list[dict[str, Any]]:
    old = {item["type"]: item for item in written(resource)["conditions"]}
    generation = (resource.get("metadata") or {}).get("generation")
    made = []
    for kind, (holds, reason, message) in sorted(verdicts.items()):
        before = Condition.model_validate(old[kind]) if kind in old else None
        state: Status = "True" if holds else "False"
        new = renewed(before, kind, state, reason, message, now.replace(microsecond=0), generation)
        made.append(new.to_resource())
    return made


def _ready(resource: Mapping[str, Any], facts: Facts) -> Verdict:
    fold = facts.fold
    if facts.bound and fold.state in ("active", "running"):
        return True, "Bound", "The session's worker is bound to its log."
    if fold.suspended:
        return False, "Suspended", "The session is suspended (spec.suspend)."
    if fold.state == "completed":
        return False, "Ended", "The session is over. Its log is kept."
    if (waits := hindrance(resource)) is not None:
        return False, *waits
    match fold.state:
        case "paused":
            return False, "Paused", "The session rests. A message wakes it."
        case "error":
            return False, "WorkerLost", facts.trouble or "A new worker is being prepared."
        case _:
            return False, "Binding", "The session's worker is being prepared."


def hindrance(resource: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why the session has no pod, reason and sentence as the operator has them: the scheduler's or
    the kubelet's words, or what is wrong with the pool. None when it has one, or rests."""
    sight = sight_of(dict(resource))
    if sight.rest or sight.waiting is None or sight.waiting_reason in _NO_HINDRANCE:
        return None
    return sight.waiting_reason, sight.waiting


def _turn(fold: Fold) -> Verdict:
    if fold.turn is not None or fold.state == "running":
        return True, "Running", "The agent is working."
    if fold.queue and not fold.suspended and fold.state != "completed":
        return True, "Queued", f"{len(fold.queue)} message(s) wait for the agent."
    return False, "Idle", "The agent waits for a message."


def _approval(fold: Fold) -> Verdict:
    if not fold.questions:
        return False, "NothingAsked", ""
    tools = ", ".join(sorted({question.name for question in fold.questions}))
    return True, "ToolUse", f"A person has to allow or deny: {tools}."


def _budget(facts: Facts) -> Verdict:
    if facts.budget_microusd is None:
        return False, "NoBudget", ""
    spent, limit = facts.cost_microusd / 1_000_000, facts.budget_microusd / 1_000_000
    text = f"{spent:.4f} of {limit:.4f} US dollars are spent."
    return facts.cost_microusd >= facts.budget_microusd, "Spent", text
