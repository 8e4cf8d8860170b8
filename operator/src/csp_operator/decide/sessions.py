"""What a session needs now. One ordered list of rules; the first that speaks decides.

The named pod is the one in status.pod: the control plane binds exactly that. A pod that carries the
session's UID in its labels without being named is one that a claim won before its status was
written: it is taken when nothing else serves the session, and deleted when something does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from csp_crds.base import seconds
from csp_crds.conditions import Condition, SessionCondition, find, is_true
from csp_crds.session import AgentSessionSpec, Phase
from csp_operator.decide.lifetime import active_since
from csp_operator.decide.plan import ACTIVE, Note, Says, SessionFacts, SessionPlan
from csp_operator.decide.pool_status import trouble_of
from csp_operator.views import PodView, PoolView

BACKOFF_CAP_S = 300.0
OUTDATED = "outdated"
"""Why an idle session's pod is dropped while it could go on."""
_LOST = "PodLost"
_WAITING = "WaitingForWarmPod"
_USUAL = ("Claiming", "Looking", "PodStarting", _LOST, "NotAccepted")


def decide_session(facts: SessionFacts) -> SessionPlan:
    session = facts.session
    before = session.status.conditions
    if is_true(before, SessionCondition.FINISHED):
        return _stay_finished(facts)
    if session.spec is None:
        text = f"The resource cannot be read: {session.invalid}"
        return SessionPlan("Pending", Says("False", "Invalid", text))
    if session.finish:
        return finish(facts, "Finished", _reason(session.finish), "The control plane ended it.")
    accepted = find(before, SessionCondition.ACCEPTED)
    if accepted is not None and accepted.status == "False":
        bound = Says("False", "NotAccepted", accepted.message)
        return _release(facts, "Pending", bound, "not_accepted", ACTIVE)
    if session.spec.suspend:
        text = "spec.suspend is true."
        return _at_rest(facts, "Suspended", text, "suspended")
    if session.paused:
        text = "Nobody uses it; a message wakes it."
        return _at_rest(facts, "Paused", text, "paused")
    return _serve(facts, session.spec)


def finish(facts: SessionFacts, phase: Phase, reason: str, message: str) -> SessionPlan:
    """The end: no rule brings a finished session back."""
    finished = Says("True", reason, message)
    bound = Says("False", "Finished", message)
    plan = _release(facts, phase, bound, "finished", ACTIVE)
    plan = replace(plan, rebinds=facts.session.status.rebinds or 0)
    kind = "Warning" if phase == "Failed" else "Normal"
    return replace(plan, finished=finished, notes=(Note(kind, reason, message),))


def rebind_delay(lost: int, backoff_s: int) -> float:
    """Seconds to wait after so many lost pods in a row: the first is replaced at once."""
    if lost <= 1:
        return 0.0
    return float(min(BACKOFF_CAP_S, backoff_s * 2 ** min(lost - 2, 20)))


# ---- rules


def _stay_finished(facts: SessionFacts) -> SessionPlan:
    session = facts.session
    ended = find(session.status.conditions, SessionCondition.FINISHED)
    if ended is None:
        raise ValueError("a finished session has its condition")
    phase: Phase = "Failed" if session.status.phase == "Failed" else "Finished"
    bound = Says("False", "Finished", ended.message)
    plan = replace(
        _release(facts, phase, bound, "finished", ACTIVE),
        finished=Says("True", ended.reason, ended.message),
        rebinds=session.status.rebinds or 0,
    )
    ttl = session.spec.lifecycle.ttl_after_finished if session.spec else None
    if ttl is None:
        return plan
    rest = seconds(ttl) - (facts.now - ended.last_transition_time).total_seconds()
    return replace(plan, look_again_s=rest) if rest > 0 else replace(plan, remove=True)


def _at_rest(facts: SessionFacts, phase: Phase, text: str, why: str) -> SessionPlan:
    return _release(facts, phase, Says("False", phase, text), why, Says("True", phase, text))


def _release(
    facts: SessionFacts, phase: Phase, bound: Says, why: str, suspended: Says
) -> SessionPlan:
    """Without a pod: each one goes. The count of lost pods begins anew."""
    drop = tuple((pod, why) for pod in facts.pods if not pod.deleting)
    return SessionPlan(phase, bound, suspended, drop=drop)


def _serve(facts: SessionFacts, spec: AgentSessionSpec) -> SessionPlan:
    session = facts.session
    status = session.status
    usable = [
        pod
        for pod in facts.pods
        if pod.alive and pod.uid != session.release and not _stranded(facts, pod)
    ]
    ended = _ended(facts, usable)
    named = status.pod.uid if status.pod else None
    current = next((pod for pod in usable if pod.uid == named), None)
    seen = named is None or any(pod.uid == named for pod in facts.pods)
    if current is None and not seen and facts.known_gone != named:
        # Absent from a picture that may be old is not gone.
        return SessionPlan("Pending", Says("False", "Looking"), check=True)
    lost, rebinds = _count_loss(facts, spec, current)
    if lost and not usable and rebinds > spec.failure_policy.max_rebinds:
        text = f"{rebinds} pods in a row were lost. The last one: {_how_lost(facts)}"
        ended_for_good = finish(facts, "Failed", "RebindsExhausted", text)
        return replace(ended_for_good, rebinds=rebinds, lost=True)
    if current is None and usable:
        current = min(usable, key=lambda pod: (pod.created, pod.uid))
    extras = tuple((pod, "extra") for pod in usable if current and pod.uid != current.uid)
    plan = SessionPlan(
        "Pending",
        Says("False", "Claiming"),
        rebinds=rebinds,
        lost=lost,
        drop=(*ended, *extras),
        pod=current,
    )
    if lost:
        text = f"{_how_lost(facts)} It is replaced."
        plan = replace(plan, notes=(Note("Warning", _LOST, text),))
    if current is None:
        return _wait_or_acquire(facts, spec, plan, lost)
    if not current.ready and not _is_bound(facts, current):
        return replace(plan, phase="Starting", bound=starting(current))
    return _bound(facts, spec, replace(plan, phase="Bound", bound=bound_to(current)))


def starting(pod: PodView) -> Says:
    """Why a pod that is the session's is not ready yet."""
    if pod.trouble is not None:
        text = pod.trouble.message or pod.trouble.reason
        return Says("False", _reason(pod.trouble.reason), f"Pod {pod.name}: {text}")
    return Says("False", "PodStarting", f"Pod {pod.name} starts.")


def waiting(pool: PoolView) -> Says:
    """Why a session waits for a warm pod: what keeps the pool from having one, if that is known."""
    text = f"Waits for a warm pod of AgentPool {pool.name}"
    trouble = trouble_of(pool.status)
    if trouble is not None:
        return Says("False", trouble.reason, f"{text}: {trouble.message or trouble.reason}")
    if pool.spec is not None and not pool.spec.scaling.wanted:
        return Says("False", _WAITING, f"{text}, which keeps none: its scaling.targetSpare is 0.")
    return Says("False", _WAITING, f"{text}.")


def hinders(plan: SessionPlan) -> bool:
    """Whether something is in the session's way that a person may want to do something about."""
    return plan.phase in ("Pending", "Starting") and plan.bound.reason not in _USUAL


def bound_to(pod: PodView) -> Says:
    return Says("True", "Claimed", f"Pod {pod.name} is the session's.")


def _is_bound(facts: SessionFacts, pod: PodView) -> bool:
    """A bound pod that is not ready for a moment is still the session's."""
    status = facts.session.status
    named = status.pod is not None and status.pod.uid == pod.uid
    return named and is_true(status.conditions, SessionCondition.BOUND)


def _ended(facts: SessionFacts, usable: Sequence[PodView]) -> tuple[tuple[PodView, str], ...]:
    alive = {pod.uid for pod in usable}

    def why(pod: PodView) -> str:
        if pod.uid == facts.session.release:
            return "released"
        return OUTDATED if pod.alive else "ended"

    return tuple((pod, why(pod)) for pod in facts.pods if pod.uid not in alive and not pod.deleting)


def _stranded(facts: SessionFacts, pod: PodView) -> bool:
    """It knows the model proxy by an address that is no more. A turn that runs is left to end: it
    may be at a tool."""
    if facts.addresses is None or pod.addresses == facts.addresses:
        return False
    return not _busy(facts.session.status.conditions)


def _count_loss(
    facts: SessionFacts, spec: AgentSessionSpec, current: PodView | None
) -> tuple[bool, int]:
    """Whether the named pod was lost, and how many that makes in a row."""
    status = facts.session.status
    before = status.rebinds or 0
    if status.pod is None or current is not None:
        return False, before
    if status.pod.uid == facts.session.release:
        return False, before
    if any(pod.uid == status.pod.uid and pod.alive for pod in facts.pods):
        return False, before  # it was given up, not lost
    lived = (facts.now - status.pod.since).total_seconds() if status.pod.since else 0.0
    return True, 1 if lived >= facts.knobs.stable_s else before + 1


def _how_lost(facts: SessionFacts) -> str:
    status = facts.session.status
    name = status.pod.name if status.pod else "?"
    named = status.pod.uid if status.pod else None
    pod = next((item for item in facts.pods if item.uid == named), None)
    if pod is not None and pod.ending:
        return f"Pod {name} ended: {pod.ending}."
    return f"Pod {name} was deleted."


def _wait_or_acquire(
    facts: SessionFacts, spec: AgentSessionSpec, plan: SessionPlan, lost: bool
) -> SessionPlan:
    delay = rebind_delay(plan.rebinds, spec.failure_policy.backoff_seconds)
    if lost and delay > 0:
        text = f"{_how_lost(facts)} The next one is claimed in {delay:g} s."
        return replace(plan, bound=Says("False", _LOST, text), look_again_s=delay)
    bound = find(facts.session.status.conditions, SessionCondition.BOUND)
    if not lost and bound is not None and bound.status == "False" and bound.reason == _LOST:
        rest = delay - (facts.now - bound.last_transition_time).total_seconds()
        if rest > 0:
            says = Says("False", _LOST, bound.message)
            return replace(plan, bound=says, look_again_s=rest)
    return replace(plan, acquire=True)


def _bound(facts: SessionFacts, spec: AgentSessionSpec, plan: SessionPlan) -> SessionPlan:
    """With its pod: is its time over, or has nobody used it for long?"""
    left = _lifetime_left(facts, spec)
    busy = _busy(facts.session.status.conditions)
    if left <= 0:
        grace = left + facts.knobs.turn_grace_s
        if not busy:
            text = f"It had pods for {spec.lifecycle.max_lifetime}."
            return finish(facts, "Finished", "MaxLifetime", text)
        if grace <= 0:
            text = f"It had pods for {spec.lifecycle.max_lifetime}. A running turn was cut."
            return finish(facts, "Finished", "MaxLifetime", text)
        text = f"maxLifetime is over: the running turn has {grace:.0f} s to end."
        return replace(_warned(facts, plan, text), look_again_s=grace)
    idle = _idle_left(facts, spec)
    if idle is not None and idle <= 0:
        text = f"No turn for {spec.lifecycle.idle_timeout}."
        return replace(plan, pause=True, notes=(Note("Normal", "IdleTimeout", text),))
    return replace(plan, look_again_s=left if idle is None else min(left, idle))


def _warned(facts: SessionFacts, plan: SessionPlan, text: str) -> SessionPlan:
    before = find(facts.session.status.conditions, SessionCondition.FINISHED)
    if before is not None and before.reason == "LifetimeEnding":
        return replace(plan, finished=Says("False", "LifetimeEnding", before.message))
    return replace(
        plan,
        finished=Says("False", "LifetimeEnding", text),
        notes=(*plan.notes, Note("Warning", "LifetimeEnding", text)),
    )


def _lifetime_left(facts: SessionFacts, spec: AgentSessionSpec) -> float:
    since = active_since(facts.session.status, facts.now)
    return seconds(spec.lifecycle.max_lifetime) - (facts.now - since).total_seconds()


def _busy(conditions: Sequence[Condition]) -> bool:
    return is_true(conditions, SessionCondition.TURN_ACTIVE) or is_true(
        conditions, SessionCondition.AWAITING_APPROVAL
    )


def _idle_left(facts: SessionFacts, spec: AgentSessionSpec) -> float | None:
    """Seconds until the session counts as idle; None while nothing says that it is.

    Only what the control plane says counts, and only while it has the session (Ready) and is there
    to say otherwise: what nobody keeps up to date is never idle. Time is the operator's own, so
    that no clock can be wrong.
    """
    status = facts.session.status
    if not is_true(status.conditions, SessionCondition.READY) or _busy(status.conditions):
        return None
    if status.last_activity is None:
        return None
    return seconds(spec.lifecycle.idle_timeout) + facts.knobs.idle_margin_s - facts.quiet_s


def _reason(text: str) -> str:
    """A word that a condition's reason may be."""
    word = "".join(part for part in text if part.isascii() and part.isalnum())
    return word if word and word[0].isalpha() else "Finished"
