"""What may happen to a session: every decision over the fold, without a database."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from csp_controlplane.domain import course, decisions
from csp_controlplane.domain.decisions import WorkerFact, accept, follow
from csp_controlplane.domain.events import EventFactory, NewEvent
from csp_controlplane.domain.fold import Fold, Question, Queued, Turn
from csp_controlplane.domain.transitions import RULES, IllegalTransition, next_state
from csp_controlplane.domain.vocabulary import MAX_QUEUE
from csp_controlplane.errors import Conflict, RateLimited

TEXT = [{"type": "text", "text": "hello"}]


@pytest.fixture
def make() -> EventFactory:
    counter = itertools.count(1)
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    return EventFactory(now=lambda: moment, new_id=lambda prefix: f"{prefix}_{next(counter)}")


def types(events: tuple[NewEvent, ...]) -> list[str]:
    return [event.type for event in events]


def body(event: NewEvent) -> dict[str, Any]:
    parsed: dict[str, Any] = orjson.loads(event.payload)
    return parsed


def fact(type_: str, id_: str = "sevt_w", **fields: Any) -> WorkerFact:
    return WorkerFact(id_, type_, {"id": id_, "type": type_, **fields})


def taken(decision: decisions.Decision | None) -> decisions.Decision:
    assert decision is not None
    return decision


ACTIVE = Fold(state="active", titled=True)


def test_an_accepted_message_queues_and_needs_a_worker(make: EventFactory) -> None:
    decision = accept(ACTIVE, "user.message", {"content": TEXT, "client_id": "c1"}, make)
    assert types(decision.events) == ["user.message"]
    assert decision.fold.queue == (Queued(decision.events[0].id, "c1"),)
    assert decision.fold.needs_worker


def test_the_first_message_gives_the_session_its_title(make: EventFactory) -> None:
    long = [{"type": "text", "text": "word " * 40 + "\nsecond line"}]
    decision = accept(Fold(state="active"), "user.message", {"content": long}, make)
    assert types(decision.events) == ["user.message", "session.updated"]
    title = body(decision.events[1])["title"]
    assert title.endswith("…")
    assert len(title) <= decisions.MAX_TITLE + 1
    assert decision.fold.titled


def test_the_message_after_a_full_queue_is_refused_with_what_to_do(make: EventFactory) -> None:
    full = replace(ACTIVE, queue=tuple(Queued(f"m{i}") for i in range(MAX_QUEUE)))
    with pytest.raises(RateLimited, match="100 messages are already waiting"):
        accept(full, "user.message", {"content": TEXT}, make)


def test_a_queued_message_can_be_cancelled_and_a_started_one_cannot(make: EventFactory) -> None:
    fold = replace(ACTIVE, queue=(Queued("m1"),))
    cancelled = accept(fold, "user.message_cancel", {"message_id": "m1"}, make)
    assert cancelled.fold.queue == ()
    with pytest.raises(Conflict, match="already been started"):
        accept(cancelled.fold, "user.message_cancel", {"message_id": "m1"}, make)


def test_cancelling_the_last_message_between_turns_leaves_the_session_idle(
    make: EventFactory,
) -> None:
    between = Fold(state="running", titled=True, queue=(Queued("m1"),))
    decision = accept(between, "user.message_cancel", {"message_id": "m1"}, make)
    assert decision.fold.state == "active"
    assert types(decision.events) == ["user.message_cancel", "session.status_idle"]


def test_a_turn_runs_from_its_start_to_its_end(make: EventFactory) -> None:
    fold = replace(ACTIVE, queue=(Queued("m1"), Queued("m2")))
    started = follow(fold, [fact("span.turn_start", "t1", message_ids=["m1"])], make)
    assert started.fold.state == "running"
    assert started.fold.turn == Turn("t1", ("m1",))
    assert started.fold.queue == (Queued("m2"),)
    ended = follow(started.fold, [fact("span.turn_end", turn_start_id="t1")], make)
    assert ended.fold.state == "running", "another message waits"
    assert ended.after == ()
    second = follow(ended.fold, [fact("span.turn_start", "t2", message_ids=["m2"])], make)
    done = follow(second.fold, [fact("span.turn_end", turn_start_id="t2")], make)
    assert done.fold == replace(ACTIVE, state="active")
    assert [event.type for _, event in done.after] == ["session.status_idle"]


def test_a_turn_given_up_by_the_api_ends_as_retries_exhausted(make: EventFactory) -> None:
    running = Fold(state="running", turn=Turn("t1"))
    ended = follow(running, [fact("span.turn_end", reason="api_error")], make)
    assert body(ended.after[0][1])["stop_reason"] == {"type": "retries_exhausted"}


def test_a_question_waits_for_exactly_one_answer(make: EventFactory) -> None:
    running = Fold(state="running", titled=True, turn=Turn("t1"))
    tool = fact("agent.tool_use", "u1", name="Bash", evaluated_permission="ask")
    asked = follow(running, [tool], make)
    assert asked.fold.questions == (Question("u1", "Bash", "Bash"),)
    waiting = body(asked.after[0][1])["stop_reason"]
    assert waiting == {"type": "requires_action", "event_ids": ["u1"]}
    answer = {"tool_use_id": "u1", "result": "allow"}
    answered = accept(asked.fold, "user.tool_confirmation", answer, make)
    assert types(answered.events) == ["user.tool_confirmation", "session.status_running"]
    assert answered.events[0].dedup_key == "confirm:u1"
    with pytest.raises(Conflict, match="already been answered"):
        accept(answered.fold, "user.tool_confirmation", answer, make)


def test_an_answer_for_the_session_is_remembered_as_a_rule(make: EventFactory) -> None:
    asked = Fold(state="running", questions=(Question("u1", "Bash", "Bash(ls:*)"),))
    answer = {"tool_use_id": "u1", "result": "allow", "scope": "session"}
    assert accept(asked, "user.tool_confirmation", answer, make).fold.allowed_rules == (
        "Bash(ls:*)",
    )


def test_an_accepted_plan_ends_plan_mode_in_the_same_append(make: EventFactory) -> None:
    plan = Question("u1", "ExitPlanMode", "ExitPlanMode")
    asked = Fold(state="running", questions=(plan,), permission_mode="plan")
    answer = {"tool_use_id": "u1", "result": "allow"}
    accepted = accept(asked, "user.tool_confirmation", answer, make)
    assert types(accepted.events) == [
        "user.tool_confirmation", "session.updated", "session.status_running",
    ]  # fmt: skip
    assert body(accepted.events[1])["permission_mode"] == "default"
    assert accepted.fold.permission_mode == "default"


@pytest.mark.parametrize(
    ("name", "mode", "result"),
    [
        ("ExitPlanMode", "plan", "deny"),
        ("ExitPlanMode", "acceptEdits", "allow"),
        ("AskUserQuestion", "plan", "allow"),
    ],
)
def test_no_other_answer_changes_the_mode(
    make: EventFactory, name: str, mode: str, result: str
) -> None:
    asked = Fold(state="running", questions=(Question("u1", name, name),), permission_mode=mode)
    answer = {"tool_use_id": "u1", "result": result}
    answered = accept(asked, "user.tool_confirmation", answer, make)
    assert answered.fold.permission_mode == mode
    assert "session.updated" not in types(answered.events)


def test_two_questions_leave_the_rest_waiting(make: EventFactory) -> None:
    asked = Fold(state="running", questions=(Question("u1", "A", "A"), Question("u2", "B", "B")))
    answer = {"tool_use_id": "u1", "result": "deny"}
    answered = accept(asked, "user.tool_confirmation", answer, make)
    assert body(answered.events[1])["stop_reason"]["event_ids"] == ["u2"]


def test_a_tool_that_ran_without_its_answer_is_reported(make: EventFactory) -> None:
    asked = Fold(state="running", questions=(Question("u1", "Bash", "Bash"),))
    ran = follow(asked, [fact("agent.tool_result", tool_use_id="u1", is_error=False)], make)
    assert ran.unconfirmed == ("u1",)
    denied = follow(asked, [fact("agent.tool_result", tool_use_id="u1", is_error=True)], make)
    assert denied.unconfirmed == ()
    assert denied.fold.questions == ()


def test_a_lost_worker_interrupts_the_turn_and_keeps_the_queue(make: EventFactory) -> None:
    fold = Fold(
        state="running",
        turn=Turn("t1", ("m1",)),
        queue=(Queued("m2"),),
        questions=(Question("u1", "Bash", "Bash"),),
    )
    lost = course.worker_lost(fold, "gone", [{"event_id": "e", "text": "par"}], make)
    assert types(lost.events) == [
        "span.turn_end",
        "session.notice",
        "session.status_rescheduled",
    ]
    end = body(lost.events[0])
    assert (end["outcome"], end["message_ids"], end["partial"]) == (
        "interrupted",
        ["m1"],
        [{"event_id": "e", "text": "par"}],
    )
    assert lost.fold.state == "error"
    assert lost.fold.queue == (Queued("m2"),)
    assert lost.fold.questions == ()
    back = taken(course.bound(lost.fold, {}, make))
    assert back.fold.state == "active"


def test_recovery_without_work_says_that_the_session_is_idle(make: EventFactory) -> None:
    back = taken(course.bound(Fold(state="error"), {}, make))
    assert types(back.events) == ["session.notice", "session.status_idle"]


def test_binding_a_new_session_is_no_idle_event(make: EventFactory) -> None:
    assert types(taken(course.bound(Fold(), {}, make)).events) == ["session.notice"]


@pytest.mark.parametrize(
    "fold",
    [
        Fold(state="completed"),
        Fold(state="paused"),
        Fold(state="paused", queue=(Queued("m"),), suspended=True),
    ],
    ids=["completed", "paused", "suspended"],
)
def test_a_session_at_rest_takes_no_worker(fold: Fold, make: EventFactory) -> None:
    assert course.bound(fold, {}, make) is None
    assert course.bind_failed(fold, "no worker", make) is None


def test_a_paused_session_with_work_takes_one(make: EventFactory) -> None:
    waiting = Fold(state="paused", queue=(Queued("m"),))
    assert taken(course.bound(waiting, {}, make)).fold.state == "active"


@pytest.mark.parametrize(
    "fold",
    [
        Fold(state="running", turn=Turn("t")),
        Fold(state="running", questions=(Question("u", "A", "A"),)),
        replace(ACTIVE, queue=(Queued("m"),)),
        Fold(state="error"),
    ],
)
def test_only_a_session_that_waits_for_input_is_paused(fold: Fold, make: EventFactory) -> None:
    assert course.pause(fold, make) is None


def test_a_message_wakes_a_paused_session(make: EventFactory) -> None:
    paused = course.pause(ACTIVE, make)
    assert paused is not None
    assert not paused.fold.needs_worker
    woken = accept(paused.fold, "user.message", {"content": TEXT}, make)
    assert woken.fold.needs_worker


def test_a_finished_session_takes_nothing_more(make: EventFactory) -> None:
    finished = course.finish(Fold(state="running", turn=Turn("t")), make)
    assert types(finished.events) == ["span.turn_end", "session.status_terminated"]
    with pytest.raises(Conflict, match="has ended"):
        accept(finished.fold, "user.message", {"content": TEXT}, make)


def test_completed_has_no_way_out() -> None:
    for rule in RULES:
        assert "completed" not in rule.sources
        with pytest.raises(IllegalTransition):
            next_state("completed", rule.trigger)


def test_a_fold_survives_its_json() -> None:
    fold = Fold(
        state="running",
        queue=(Queued("m", "c"),),
        turn=Turn("t", ("m0",)),
        questions=(Question("u", "Bash", "Bash(ls:*)"),),
        model="claude-x",
        permission_mode="plan",
        allowed_rules=("Bash(ls:*)",),
        titled=True,
    )
    assert Fold.from_json(orjson.loads(orjson.dumps(fold.to_json()))) == fold
