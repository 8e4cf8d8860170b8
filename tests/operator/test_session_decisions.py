"""What a session needs, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from csp_crds.conditions import Condition, Status
from csp_operator.decide.plan import Knobs, SessionFacts, SessionPlan
from csp_operator.decide.session_status import is_written, status_of
from csp_operator.decide.sessions import decide_session, rebind_delay, waiting
from csp_operator.views import PodView, SessionView
from support.views import NOW, claimed_pod, condition, named, pool_view, session_view

KNOBS = Knobs(stable_s=600, turn_grace_s=600, idle_margin_s=60)


def decide(
    session: SessionView,
    *pods: PodView,
    quiet: float = 0,
    gone: str | None = None,
    addresses: frozenset[str] | None = None,
) -> SessionPlan:
    return decide_session(SessionFacts(session, pods, NOW, quiet, gone, KNOBS, addresses))


def bound_status(since: float = 60, **more: Any) -> dict[str, Any]:
    """Of a session that has had pod p1 for `since` seconds."""
    conditions = (
        condition("Bound", "True", "Claimed", since),
        condition("Suspended", "False", "Active", since),
        condition("Finished", "False", "Running", since),
        *more.pop("conditions", ()),
    )
    return {"phase": "Bound", "pod": named("p1", since), "conditions": conditions, **more}


def dropped(plan: SessionPlan) -> dict[str, str]:
    return {pod.uid: why for pod, why in plan.drop}


# ---- which pod


def test_a_new_session_asks_for_a_pod() -> None:
    plan = decide(session_view())
    assert plan.acquire
    assert not plan.drop


def test_a_pod_claimed_before_its_status_was_written_is_taken() -> None:
    plan = decide(session_view(), claimed_pod("p7"))
    assert (plan.acquire, plan.phase, plan.pod and plan.pod.uid) == (False, "Bound", "p7")


def test_of_two_claimed_pods_the_named_one_stays() -> None:
    session = session_view(status=bound_status())
    plan = decide(session, claimed_pod("p0"), claimed_pod("p1"))
    assert plan.pod is not None
    assert plan.pod.uid == "p1"
    assert dropped(plan) == {"p0": "extra"}


def test_of_two_unnamed_claimed_pods_always_the_same_one_stays() -> None:
    one, other = claimed_pod("p3"), claimed_pod("p2")
    plans = [decide(session_view(), one, other), decide(session_view(), other, one)]
    assert [plan.pod.uid for plan in plans if plan.pod] == ["p2", "p2"]
    assert [dropped(plan) for plan in plans] == [{"p3": "extra"}] * 2


def test_a_named_pod_that_is_missing_is_asked_for_before_it_counts_as_lost() -> None:
    session = session_view(status=bound_status())
    assert decide(session).check
    plan = decide(session, gone="p1")
    assert not plan.check
    assert (plan.acquire, plan.rebinds) == (True, 1)


def test_a_pod_that_is_ending_is_replaced_and_its_end_told() -> None:
    session = session_view(status=bound_status())
    plan = decide(session, claimed_pod("p1", phase="Failed", ending="OOMKilled, exit code 137"))
    assert plan.acquire
    assert dropped(plan) == {"p1": "ended"}
    assert "OOMKilled" in plan.notes[0].message


def test_a_bound_pod_that_is_not_ready_for_a_moment_stays() -> None:
    plan = decide(session_view(status=bound_status()), claimed_pod(ready=False))
    assert (plan.phase, plan.acquire) == ("Bound", False)


def test_a_pod_that_is_not_ready_yet_is_starting() -> None:
    plan = decide(session_view(), claimed_pod("p1", ready=False, was_ready=False))
    assert (plan.phase, plan.bound.status, plan.bound.reason) == (
        "Starting",
        "False",
        "PodStarting",
    )


def test_a_released_pod_goes_and_is_no_loss() -> None:
    session = session_view(status=bound_status(rebinds=2), release="p1")
    plan = decide(session, claimed_pod("p1"))
    assert (plan.acquire, plan.rebinds) == (True, 2)
    assert dropped(plan) == {"p1": "released"}


MOVED = frozenset({"10.96.0.1", "10.96.0.9"})


@pytest.mark.parametrize("busy", ["TurnActive", "AwaitingApproval"])
def test_a_pod_that_knows_an_old_address_is_replaced_after_the_turn(busy: str) -> None:
    status = bound_status()
    pod = claimed_pod("p1")
    during = status | {"conditions": (*status["conditions"], condition(busy, "True"))}
    plan = decide(session_view(status=during), pod, addresses=MOVED)
    assert (plan.phase, plan.drop) == ("Bound", ())
    plan = decide(session_view(status=status), pod, addresses=MOVED)
    assert (plan.acquire, plan.rebinds) == (True, 0)
    assert dropped(plan) == {"p1": "outdated"}
    plan = decide(session_view(status=status), pod, addresses=pod.addresses)
    assert (plan.phase, plan.drop) == ("Bound", ())


def test_a_release_of_an_earlier_pod_means_nothing() -> None:
    plan = decide(session_view(status=bound_status(), release="p0"), claimed_pod("p1"))
    assert (plan.phase, plan.drop) == ("Bound", ())


# ---- losses


@pytest.mark.parametrize(
    ("lost", "backoff", "seconds"),
    [(0, 2, 0), (1, 2, 0), (2, 2, 2), (3, 2, 4), (5, 2, 16), (50, 2, 300), (9, 0, 0)],
)
def test_the_first_loss_is_replaced_at_once_and_later_ones_slower(
    lost: int, backoff: int, seconds: float
) -> None:
    assert rebind_delay(lost, backoff) == seconds


def test_a_second_loss_in_a_row_waits() -> None:
    plan = decide(session_view(status=bound_status(rebinds=1)), gone="p1")
    assert (plan.acquire, plan.rebinds, plan.look_again_s) == (False, 2, 2)
    assert plan.bound.reason == "PodLost"


@pytest.mark.parametrize(("waited", "acquires"), [(1, False), (3, True)])
def test_the_wait_ends(waited: float, acquires: bool) -> None:
    conditions = (condition("Bound", "False", "PodLost", waited),)
    plan = decide(session_view(status={"rebinds": 2, "conditions": conditions}))
    assert plan.acquire is acquires


def test_a_pod_that_lived_long_starts_the_count_anew() -> None:
    plan = decide(session_view(status=bound_status(since=601, rebinds=4)), gone="p1")
    assert (plan.acquire, plan.rebinds) == (True, 1)


def test_too_many_losses_end_the_session() -> None:
    session = session_view({"failurePolicy": {"maxRebinds": 2}}, bound_status(rebinds=2))
    plan = decide(session, gone="p1")
    assert (plan.phase, plan.finished.reason) == ("Failed", "RebindsExhausted")


# ---- rest


@pytest.mark.parametrize(
    ("spec", "changes", "phase"),
    [({"suspend": True}, {}, "Suspended"), ({}, {"paused": True}, "Paused")],
)
def test_at_rest_the_pod_goes_and_the_session_stays(
    spec: dict[str, Any], changes: dict[str, Any], phase: str
) -> None:
    plan = decide(session_view(spec, bound_status(), **changes), claimed_pod())
    assert (plan.phase, plan.acquire, plan.pod) == (phase, False, None)
    assert plan.suspended.status == "True"
    assert dropped(plan) == {"p1": phase.lower()}


def test_a_session_that_is_not_accepted_gets_no_pod_and_repeats_why() -> None:
    refused = condition("Accepted", "False", "UnknownOwner")
    plan = decide(session_view(status={"conditions": (refused,)}), claimed_pod())
    assert (plan.bound.reason, plan.acquire) == ("NotAccepted", False)
    assert dropped(plan) == {"p1": "not_accepted"}


# ---- the end


def test_the_control_plane_ends_it() -> None:
    plan = decide(session_view(status=bound_status(), finish="Archived"), claimed_pod())
    assert (plan.phase, plan.finished.status, plan.finished.reason) == (
        "Finished",
        "True",
        "Archived",
    )
    assert dropped(plan) == {"p1": "finished"}


@pytest.mark.parametrize(
    ("ttl", "ended", "removed", "again"),
    [
        (None, 9999, False, None),
        ("1m", 30, False, 30),
        ("1m", 61, True, None),
        ("0s", 0, True, None),
    ],
)
def test_a_finished_session_is_kept_for_its_time(
    ttl: str | None, ended: float, removed: bool, again: float | None
) -> None:
    done = condition("Finished", "True", "MaxLifetime", ended)
    spec = {"lifecycle": {"ttlAfterFinished": ttl}} if ttl else {}
    plan = decide(session_view(spec, {"phase": "Finished", "conditions": (done,)}))
    assert (plan.remove, plan.look_again_s) == (removed, again)


def test_nothing_brings_a_finished_session_back() -> None:
    done = condition("Finished", "True", "RebindsExhausted", 5)
    session = session_view(status={"phase": "Failed", "conditions": (done,)})
    plan = decide(session, claimed_pod())
    assert (plan.phase, plan.acquire, dropped(plan)) == ("Failed", False, {"p1": "finished"})


BUSY = condition("TurnActive", "True")
ASKING = condition("AwaitingApproval", "True")


@pytest.mark.parametrize(
    ("age", "conditions", "phase", "reason", "says"),
    [
        (3599, (), "Bound", "Running", ""),
        (3600, (), "Finished", "MaxLifetime", "1h"),
        (3600, (BUSY,), "Bound", "LifetimeEnding", "600 s"),
        (3600, (ASKING,), "Bound", "LifetimeEnding", "600 s"),
        (4200, (BUSY,), "Finished", "MaxLifetime", "was cut"),
    ],
)
def test_max_lifetime_never_cuts_a_turn_without_saying_so(
    age: float, conditions: tuple[Any, ...], phase: str, reason: str, says: str
) -> None:
    session = session_view(
        {"lifecycle": {"maxLifetime": "1h"}}, bound_status(since=age, conditions=conditions)
    )
    plan = decide(session, claimed_pod())
    assert (plan.phase, plan.finished.reason) == (phase, reason)
    assert says in plan.finished.message


READY = condition("Ready", "True")


@pytest.mark.parametrize(
    ("conditions", "active", "quiet", "pauses"),
    [
        ((READY,), True, 1861, True),
        ((READY,), True, 1859, False),  # the control plane comes first
        ((READY, BUSY), True, 9999, False),
        ((READY, ASKING), True, 9999, False),
        ((), True, 9999, False),  # nobody says that it is ready: nobody keeps this up to date
        ((READY,), False, 9999, False),  # nobody has ever reported activity
    ],
)
def test_idle_is_only_what_the_control_plane_says_and_long_enough(
    conditions: tuple[Any, ...], active: bool, quiet: float, pauses: bool
) -> None:
    status = bound_status(conditions=conditions)
    if active:
        status["last_activity"] = NOW
    plan = decide(session_view(status=status), claimed_pod(), quiet=quiet)
    assert plan.pause is pauses
    assert plan.phase == "Bound"


# ---- a session that waits

WAITS = "Waits for a warm pod of AgentPool default."


@pytest.mark.parametrize(
    ("progressing", "message"),
    [
        (None, WAITS),
        ("True", WAITS),
        ("False", f"{WAITS} None comes: Back-off pulling image"),
    ],
)
def test_who_waits_says_what_the_pool_says(progressing: Status | None, message: str) -> None:
    conditions: tuple[Condition, ...] = ()
    if progressing is not None:
        progress = condition("Progressing", progressing)
        conditions = (progress.model_copy(update={"message": "Back-off pulling image"}),)
    says = waiting(pool_view(conditions))
    assert (says.status, says.reason, says.message) == ("False", "WaitingForWarmPod", message)


# ---- the status


def test_a_second_pass_writes_nothing() -> None:
    session = session_view(status=bound_status())
    plan = decide(session, claimed_pod())
    first = status_of(session, plan, NOW)
    again = session_view(status=first.model_dump())
    assert is_written(again, status_of(again, decide(again, claimed_pod()), NOW))


def test_a_transition_time_moves_with_the_status_only() -> None:
    session = session_view(status=bound_status(since=50))
    kept = status_of(session, decide(session, claimed_pod()), NOW)
    assert (
        kept.conditions[0].last_transition_time == session.status.conditions[0].last_transition_time
    )
    suspended = session_view({"suspend": True}, bound_status(since=50))
    moved = status_of(suspended, decide(suspended, claimed_pod()), NOW)
    assert moved.conditions[0].last_transition_time == NOW


def test_a_profile_that_differs_makes_the_start_partial() -> None:
    session = session_view()
    assert session.spec is not None
    right = claimed_pod(profile=session.spec.agent.spawn_profile())
    for pod, start in ((right, "warm"), (claimed_pod(profile="other"), "warm_partial")):
        status = status_of(session, decide(session, pod), NOW)
        assert status.pod is not None
        assert status.pod.start == start
