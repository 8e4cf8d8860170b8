"""What AgentSessions say of their sessions, and how often it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from csp_controlplane.adoption import status
from csp_controlplane.adoption.judging import Refusal
from csp_controlplane.domain.fold import Fold, Question, Queued, Turn
from csp_controlplane.domain.vocabulary import State
from csp_controlplane.store.origins import Facts
from csp_crds import names
from support.apiserver import ApiServer
from support.hostile_worker import fact
from support.kube import SESSIONS, Kube, Object, condition, is_true, session
from support.planes import ADDRESS, Planes, PlayedPod, operator_condition, take_pod

NewPod = Callable[[str], Awaitable[PlayedPod]]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def facts(fold: Fold, **changes: Any) -> Facts:
    given: dict[str, Any] = {
        "session": "sesn_1",
        "owner": "user_1",
        "fold": fold,
        "bound": True,
        "claude_session_id": None,
        "cost_microusd": 1_234_567,
        "budget_microusd": None,
        "last_event_at": NOW,
        "trouble": None,
        **changes,
    }
    return Facts(**given)


def verdict(found: dict[str, Any], kind: str) -> tuple[str, str]:
    there = condition({"status": found}, kind)
    return there["status"], there["reason"]


def test_every_condition_has_a_verdict_for_every_state() -> None:
    cases: list[tuple[Fold, dict[str, Any], str, tuple[str, str]]] = [
        (Fold("active"), {}, "Ready", ("True", "Bound")),
        (Fold("creating"), {"bound": False}, "Ready", ("False", "Binding")),
        (Fold("paused"), {"bound": False}, "Ready", ("False", "Paused")),
        (Fold("paused", suspended=True), {"bound": False}, "Ready", ("False", "Suspended")),
        (Fold("completed"), {"bound": False}, "Ready", ("False", "Ended")),
        (Fold("error"), {"bound": False}, "Ready", ("False", "WorkerLost")),
        (Fold("active"), {"bound": False}, "Ready", ("False", "Binding")),
        (Fold("active"), {}, "TurnActive", ("False", "Idle")),
        (Fold("running", turn=Turn("t")), {}, "TurnActive", ("True", "Running")),
        (Fold("active", queue=(Queued("m"),)), {}, "TurnActive", ("True", "Queued")),
        (Fold("completed", queue=(Queued("m"),)), {}, "TurnActive", ("False", "Idle")),
        (Fold("active"), {}, "AwaitingApproval", ("False", "NothingAsked")),
        (
            Fold("running", turn=Turn("t"), questions=(Question("q", "Bash", "Bash"),)),
            {},
            "AwaitingApproval",
            ("True", "ToolUse"),
        ),
        (Fold("active"), {}, "BudgetExhausted", ("False", "NoBudget")),
        (Fold("active"), {"budget_microusd": 2_000_000}, "BudgetExhausted", ("False", "Spent")),
        (Fold("active"), {"budget_microusd": 1_000_000}, "BudgetExhausted", ("True", "Spent")),
    ]
    for fold, changes, kind, expected in cases:
        found = status.of_session({}, facts(fold, **changes), None, NOW)
        assert verdict(found, kind) == expected, (fold, changes, kind)
        assert verdict(found, "Accepted") == ("True", "Accepted")
        assert len(found["conditions"]) == 5


@pytest.mark.parametrize(
    ("state", "reason"),
    [("creating", "Unschedulable"), ("error", "PodLost"), ("paused", "ImagePull")],
)
def test_a_session_without_a_pod_says_why_in_the_operators_words(state: State, reason: str) -> None:
    waits = operator_condition("Bound", "False", reason, "0/1 nodes are available.")
    resource = {"status": {"conditions": [waits]}}
    found = status.of_session(resource, facts(Fold(state), bound=False, trouble="old"), None, NOW)
    ready = condition({"status": found}, "Ready")
    assert (ready["reason"], ready["message"]) == (reason, "0/1 nodes are available.")


@pytest.mark.parametrize(
    ("fold", "bound", "reason"),
    [
        (Fold("active"), True, "Bound"),
        (Fold("completed"), False, "Ended"),
        (Fold("paused", suspended=True), False, "Suspended"),
    ],
)
def test_what_the_operator_waits_for_does_not_hide_what_is_certain(
    fold: Fold, bound: bool, reason: str
) -> None:
    waits = operator_condition("Bound", "False", "PodLost", "Pod p was deleted.")
    resource = {"status": {"conditions": [waits]}}
    found = status.of_session(resource, facts(fold, bound=bound), None, NOW)
    assert verdict(found, "Ready")[1] == reason


@pytest.mark.parametrize("reason", ["Claiming", "Paused", "Finished"])
def test_a_rest_is_no_hindrance(reason: str) -> None:
    waits = operator_condition("Bound", "False", reason, "")
    resource = {"status": {"conditions": [waits]}}
    found = status.of_session(resource, facts(Fold("paused"), bound=False), None, NOW)
    assert verdict(found, "Ready")[1] == "Paused"


async def test_one_look_with_kubectl_says_why_a_session_is_not_ready(
    planes: Planes, kube: Kube, api_server: ApiServer
) -> None:
    await planes.start()
    await kube.create(SESSIONS, session("one", ADDRESS))
    await kube.until(SESSIONS, "one", is_true("Accepted"))
    for reason, words in (
        ("Unschedulable", "Pod one-1: 0/1 nodes are available: 1 Insufficient memory."),
        ("ImagePullBackOff", "Pod one-1: Back-off pulling image."),
    ):
        await take_pod(kube, "one", reason, words)

        def told(found: Object, reason: str = reason) -> bool:
            return condition(found, "Ready").get("reason") == reason

        found = await kube.until(SESSIONS, "one", told)
        assert condition(found, "Ready")["message"] == words
        # Neither writer has touched what is the other's.
        assert condition(found, "Bound")["reason"] == reason
        assert found["status"]["phase"] == "Pending"
        wide = api_server.kubectl("-n", kube.namespace, "get", "as", "one", "-o", "wide")
        assert reason in wide
        assert words in wide
        described = api_server.kubectl("-n", kube.namespace, "describe", "as", "one")
        assert words in described


def test_times_of_conditions_move_with_their_status_only() -> None:
    first = status.of_session({}, facts(Fold("active")), None, NOW)
    later = datetime(2026, 1, 2, 4, tzinfo=UTC)
    second = status.of_session({"status": first}, facts(Fold("paused")), None, later)
    assert condition({"status": second}, "Ready")["lastTransitionTime"] == "2026-01-02T04:00:00Z"
    assert condition({"status": second}, "Accepted")["lastTransitionTime"] == "2026-01-02T03:04:05Z"


def test_money_and_activity_alone_are_no_reason_to_write_at_once() -> None:
    old = status.of_session({}, facts(Fold("active")), "done", NOW)
    dearer = status.of_session(
        {"status": old}, facts(Fold("active"), cost_microusd=2_000_000), "done", NOW
    )
    assert status.differ(old, dearer)
    assert not status.differ_much(old, dearer)
    assert dearer["cost"] == "2.000000"
    budget = {"budget_microusd": 5_000_000}
    old = status.of_session({}, facts(Fold("active"), **budget), "done", NOW)
    more = facts(Fold("active"), cost_microusd=2_000_000, **budget)
    dearer = status.of_session({"status": old}, more, "done", NOW)
    assert not status.differ_much(old, dearer)
    spent = facts(Fold("active"), cost_microusd=5_000_000, **budget)
    assert status.differ_much(old, status.of_session({"status": old}, spent, "done", NOW))
    answered = status.of_session({"status": old}, facts(Fold("active")), "other", NOW)
    assert status.differ_much(old, answered)


def test_a_refusal_takes_back_what_was_said_of_a_session() -> None:
    refused = status.of_refusal({}, Refusal("TenantMismatch", "no"), NOW)
    assert verdict(refused, "Accepted") == ("False", "TenantMismatch")
    assert "sessionId" not in refused


def test_an_answer_is_shortened_to_its_beginning() -> None:
    assert status.shortened(" short ") == "short"
    long = status.shortened("x" * 5000)
    assert len(long) == status.MAX_RESULT
    assert long.endswith("…")


def start_of(turn: str, message: str) -> tuple[str, str, bytes]:
    rest = f'"message_ids":["{message}"],"message_seqs":[1],"origin":"user"'
    return fact(turn, "span.turn_start", rest)


def end_of(turn: str, start: str, message: str) -> tuple[str, str, bytes]:
    rest = (
        f'"outcome":"completed","reason":"end","turn_start_id":"{start}",'
        f'"message_ids":["{message}"]'
    )
    return fact(turn, "span.turn_end", rest)


async def test_edges_of_a_turn_are_told_at_once_and_the_answer_with_the_last(
    planes: Planes, kube: Kube, new_pod: NewPod
) -> None:
    await planes.start()
    await kube.create(SESSIONS, session("one", ADDRESS, prompt={"text": "hello"}))
    await kube.until(SESSIONS, "one", is_true("Accepted"))
    pod = await new_pod("pod-1")
    await pod.give_to(kube, "one")
    message = (await pod.next("input")).id
    pod.facts(1, start_of("sevt_s", message))
    await kube.until(SESSIONS, "one", is_true("TurnActive"))
    ask = fact("sevt_q", "agent.tool_use", '"name":"Bash","input":{},"evaluated_permission":"ask"')
    pod.facts(2, ask)
    denied = await pod.next("input")
    assert denied.type == "user.tool_confirmation"
    assert b'"result":"deny"' in denied.payload
    assert b"onApproval" in denied.payload
    answer = fact("sevt_a", "agent.message", '"content":[{"type":"text","text":"It is done."}]')
    pod.facts(3, answer, end_of("sevt_e", "sevt_s", message))
    found = await kube.until(
        SESSIONS, "one", lambda r: (r["status"] or {}).get("result") == "It is done."
    )
    assert condition(found, "TurnActive")["status"] == "False"
    assert condition(found, "AwaitingApproval")["status"] == "False"
    assert found["status"]["cost"] == "0.000000"
    assert found["status"]["lastActivity"]
    managers = {
        entry["manager"]: entry
        for entry in found["metadata"]["managedFields"]
        if entry.get("subresource") == "status"
    }
    assert managers[names.CONTROL_PLANE_MANAGER]["operation"] == "Apply"
    assert managers[names.OPERATOR_MANAGER]["operation"] == "Apply"
    assert found["status"]["phase"] == "Bound"


async def test_a_prompt_that_waits_for_a_person_is_not_answered_by_nobody(
    planes: Planes, kube: Kube, new_pod: NewPod
) -> None:
    await planes.start()
    prompt = {"text": "hello", "onApproval": "Wait"}
    await kube.create(SESSIONS, session("one", ADDRESS, prompt=prompt))
    await kube.until(SESSIONS, "one", is_true("Accepted"))
    pod = await new_pod("pod-1")
    await pod.give_to(kube, "one")
    message = (await pod.next("input")).id
    ask = fact("sevt_q", "agent.tool_use", '"name":"Bash","input":{},"evaluated_permission":"ask"')
    pod.facts(1, start_of("sevt_s", message), ask)
    found = await kube.until(SESSIONS, "one", is_true("AwaitingApproval"))
    assert "Bash" in condition(found, "AwaitingApproval")["message"]
    await asyncio.sleep(1)  # nobody is to act in this time
    assert is_true("AwaitingApproval")(await kube.get(SESSIONS, "one"))


async def test_what_a_person_wrote_over_a_report_is_put_right(planes: Planes, kube: Kube) -> None:
    await planes.start()
    await kube.create(SESSIONS, session("one", ADDRESS))
    first = await kube.until(SESSIONS, "one", is_true("Accepted"))
    await kube.merge(
        SESSIONS,
        "one",
        {"status": {"sessionId": "sesn_other", "result": "made up", "conditions": []}},
        sub="status",
    )

    def right(found: Object) -> bool:
        told = found.get("status") or {}
        same = told.get("sessionId") == first["status"]["sessionId"]
        return same and is_true("Accepted")(found) and not told.get("result")

    await kube.until(SESSIONS, "one", right)


async def test_a_session_at_rest_costs_no_writes(planes: Planes, kube: Kube) -> None:
    await planes.start()
    await kube.create(SESSIONS, session("one", ADDRESS))
    found = await kube.until(SESSIONS, "one", is_true("Accepted"))
    before = found["metadata"]["resourceVersion"]
    await asyncio.sleep(8)  # more than two resyncs
    assert (await kube.get(SESSIONS, "one"))["metadata"]["resourceVersion"] == before


async def test_reports_of_two_gateways_end_in_the_truth(planes: Planes, kube: Kube) -> None:
    await planes.start("a")
    await planes.start("b")
    await kube.create(SESSIONS, session("one", ADDRESS))
    await kube.until(SESSIONS, "one", is_true("Accepted"))

    def suspended(found: Object) -> bool:
        return condition(found, "Ready").get("reason") == "Suspended"

    for _ in range(3):
        await kube.merge(SESSIONS, "one", {"spec": {"suspend": True}})
        await kube.until(SESSIONS, "one", suspended)
        await kube.merge(SESSIONS, "one", {"spec": {"suspend": False}})
        await kube.until(SESSIONS, "one", lambda found: not suspended(found))
    await asyncio.sleep(2)  # whatever is late arrives in this time
    assert condition(await kube.get(SESSIONS, "one"), "Ready")["reason"] == "Paused"
