"""What may happen to a session, and what follows: pure decisions over its fold.

Each function takes the fold as it was read and returns a `Decision`: the next fold and the
control plane's events. The caller writes both under the fold's version and asks again when somebody
else was faster. No decision looks at a clock or a database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from csp_controlplane.domain.events import EventFactory, NewEvent
from csp_controlplane.domain.fold import Fold, Question, Queued, Turn
from csp_controlplane.domain.vocabulary import MAX_QUEUE, TOOL_RESULTS, TOOL_USES
from csp_controlplane.errors import Conflict, InvalidRequest, RateLimited

MAX_TITLE = 60
PLAN_QUESTION = "ExitPlanMode"
"""The tool by which an agent in plan mode asks whether its plan is accepted."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The next fold and the events that lead to it, in order."""

    fold: Fold
    events: tuple[NewEvent, ...] = ()


class WorkerFact(NamedTuple):
    """One fact of the worker, parsed."""

    id: str
    type: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Consequences:
    """What the control plane adds to a batch of facts: events after given places of the batch."""

    fold: Fold
    after: tuple[tuple[int, NewEvent], ...] = ()
    unconfirmed: tuple[str, ...] = ()
    """Tool uses that ran although they asked and nobody had answered: for the audit."""


# ---- what people ask for


def accept(fold: Fold, type_: str, fields: dict[str, Any], make: EventFactory) -> Decision:
    """One event of a client. Raises Conflict or RateLimited in words for the person."""
    if fold.state == "completed":
        raise Conflict("This session has ended. Start a new one to go on.")
    if fold.suspended and type_ == "user.message":
        raise Conflict("This session is suspended. It takes messages again when that has ended.")
    match type_:
        case "user.message":
            return _accept_message(fold, fields, make)
        case "user.message_update" | "user.message_cancel":
            return _accept_queue_change(fold, type_, fields, make)
        case "user.tool_confirmation":
            return _accept_confirmation(fold, fields, make)
        case _:
            return Decision(fold, (make.make(type_, fields),))


def _accept_message(fold: Fold, fields: dict[str, Any], make: EventFactory) -> Decision:
    if len(fold.queue) >= MAX_QUEUE:
        raise RateLimited(
            f"{MAX_QUEUE} messages are already waiting in this session. "
            "Wait for some of them, or cancel them, and send this one again."
        )
    event = make.make("user.message", fields)
    next_fold = replace(fold, queue=(*fold.queue, Queued(event.id, fields.get("client_id"))))
    if fold.titled:
        return Decision(next_fold, (event,))
    titled = make.make("session.updated", {"title": title_of(fields["content"])})
    return Decision(replace(next_fold, titled=True), (event, titled))


def title_of(content: Sequence[dict[str, Any]]) -> str:
    """A title from a first message: its first line, cut at a word, or what is attached."""
    text = " ".join(block["text"] for block in content if block["type"] == "text").strip()
    line = " ".join(text.splitlines()[0].split()) if text else ""
    if len(line) > MAX_TITLE:
        line = line[:MAX_TITLE].rsplit(" ", 1)[0].rstrip(",;:") + "…"
    return line or "Attached files"


def _accept_queue_change(
    fold: Fold, type_: str, fields: dict[str, Any], make: EventFactory
) -> Decision:
    message = fields["message_id"]
    if message not in {queued.id for queued in fold.queue}:
        raise Conflict("This message has already been started, so it can no longer be changed.")
    queue = fold.queue
    if type_ == "user.message_cancel":
        queue = tuple(queued for queued in queue if queued.id != message)
    change = make.make(type_, fields)
    if fold.state == "running" and fold.turn is None and not queue:
        at_peace = fold.after("turn_ended", queue=queue)
        return Decision(at_peace, (change, idle(at_peace, {"type": "end_turn"}, make)))
    return Decision(replace(fold, queue=queue), (change,))


def _accept_confirmation(fold: Fold, fields: dict[str, Any], make: EventFactory) -> Decision:
    tool_use = fields["tool_use_id"]
    question = next((q for q in fold.questions if q.id == tool_use), None)
    if question is None:
        raise Conflict("This question has already been answered, or what asked it has ended.")
    left = tuple(q for q in fold.questions if q.id != tool_use)
    rules = fold.allowed_rules
    if fields.get("scope") == "session" and fields["result"] == "allow":
        rules = (*rules, question.rule) if question.rule not in rules else rules
    answer = make.make("user.tool_confirmation", fields, dedup_key=confirmation_key(fields))
    next_fold = replace(fold, questions=left, allowed_rules=rules)
    events = [answer]
    if _leaves_plan_mode(fold, question, fields):
        left_plan = update_settings(next_fold, {"permission_mode": "default"}, make)
        next_fold = left_plan.fold
        events += left_plan.events
    return Decision(next_fold, (*events, _waiting_or_running(next_fold, make)))


def _leaves_plan_mode(fold: Fold, question: Question, answer: dict[str, Any]) -> bool:
    """Whether a plan was accepted: what it says may be done then, as the permissions allow."""
    planned = question.name == PLAN_QUESTION and fold.permission_mode == "plan"
    return planned and answer["result"] == "allow"


def confirmation_key(fields: dict[str, Any]) -> str:
    """The key that makes a tool use's answer unique in the log."""
    return f"confirm:{fields['tool_use_id']}"


def update_settings(fold: Fold, changes: dict[str, Any], make: EventFactory) -> Decision:
    """New title, model, permission mode or metadata: `session.updated` with what changed."""
    if fold.state == "completed" and set(changes) - {"title", "metadata"}:
        raise Conflict("This session has ended: only its title and metadata can be changed.")
    next_fold = replace(
        fold,
        model=changes.get("model", fold.model),
        permission_mode=changes.get("permission_mode", fold.permission_mode),
        titled=fold.titled or "title" in changes,
    )
    return Decision(next_fold, (make.make("session.updated", changes),))


def check_mode(changes: dict[str, Any], possible: Sequence[str]) -> None:
    """Raises InvalidRequest for a permission mode that would not hold in this session."""
    mode = changes.get("permission_mode")
    if mode is not None and mode not in possible:
        raise InvalidRequest(
            f"permission_mode: {mode!r} does not hold in this session, because its agent was "
            f"defined to ask. Possible here: {', '.join(possible)}. Start a new session with it "
            "instead."
        )


# ---- what workers report


def follow(fold: Fold, facts: Sequence[WorkerFact], make: EventFactory) -> Consequences:
    """The fold after a batch of the worker's facts and what the control plane adds to it."""
    added: list[tuple[int, NewEvent]] = []
    unconfirmed: list[str] = []
    for place, fact in enumerate(facts):
        if fact.type == "span.turn_start":
            fold = _turn_started(fold, fact)
            added.append((place, make.make("session.status_running", {"state": fold.state})))
        elif fact.type == "span.turn_end" and fold.turn is not None:
            fold = _turn_ended(fold)
            if fold.state == "active":
                added.append((place, idle(fold, _stop_reason(fact.body), make)))
        elif fact.type in TOOL_USES and fact.body.get("evaluated_permission") == "ask":
            fold = replace(fold, questions=(*fold.questions, _question(fact)))
            added.append((place, _waiting_or_running(fold, make)))
        elif fact.type in TOOL_RESULTS:
            tool_use = fact.body.get("tool_use_id") or fact.body.get("mcp_tool_use_id")
            left = tuple(q for q in fold.questions if q.id != tool_use)
            if len(left) != len(fold.questions):
                fold = replace(fold, questions=left)
                added.append((place, _waiting_or_running(fold, make)))
                if not fact.body.get("is_error"):
                    unconfirmed.append(str(tool_use))
    return Consequences(fold, tuple(added), tuple(unconfirmed))


def _turn_started(fold: Fold, fact: WorkerFact) -> Fold:
    ids = tuple(str(i) for i in fact.body.get("message_ids", ()))
    queue = tuple(queued for queued in fold.queue if queued.id not in ids)
    return fold.after("turn_started", queue=queue, turn=Turn(fact.id, ids), questions=())


def _turn_ended(fold: Fold) -> Fold:
    if fold.queue:
        return replace(fold, turn=None, questions=())
    return fold.after("turn_ended", turn=None, questions=())


def _question(fact: WorkerFact) -> Question:
    name = str(fact.body.get("name", ""))
    return Question(fact.id, name, str(fact.body.get("suggested_rule") or name))


def _stop_reason(turn_end: dict[str, Any]) -> dict[str, Any]:
    return {"type": "retries_exhausted" if turn_end.get("reason") == "api_error" else "end_turn"}


def idle(fold: Fold, stop_reason: dict[str, Any], make: EventFactory) -> NewEvent:
    return make.make("session.status_idle", {"stop_reason": stop_reason, "state": fold.state})


def _waiting_or_running(fold: Fold, make: EventFactory) -> NewEvent:
    if not fold.questions:
        return make.make("session.status_running", {"state": fold.state})
    waiting = {"type": "requires_action", "event_ids": [q.id for q in fold.questions]}
    return idle(fold, waiting, make)


# ---- the life of workers
