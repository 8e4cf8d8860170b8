"""What a pool needs now: pods to make, pods to delete, what its status says, when to look again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from csp_crds.pool import AgentPoolSpec
from csp_operator.decide.percent import resolve
from csp_operator.views import PodView

_BACKOFF_CAP_S = 300.0
_HOLD_STEP_S = 0.1


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """The pool as it is. Times called `since` are seconds of the operator's own clock."""

    spec: AgentPoolSpec
    hash: str
    pods: Sequence[PodView]  # all with the pool's label
    reserved: frozenset[str]  # uids that a claim is at work on
    pending: int  # pods whose creation has not been answered
    now: datetime
    clock: float
    surplus_since: float | None = None
    failures: int = 0  # pods in a row that ended before they were ready
    failed_at: float = 0.0
    allowance: int | None = None  # of refill.perSecond, in this second
    unready_since: Mapping[str, float] = field(default_factory=dict)
    """Since when pods by uid are seen not to be ready; a kubelet's clock may be wrong."""
    unready_seconds: float = 60.0
    arriving: int = 0  # sessions that are on their way to a pod, of any pool
    held_since: float | None = None
    hold_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Removal:
    pod: PodView
    why: str  # a value of metrics.DELETIONS


@dataclass(frozen=True, slots=True)
class PoolPlan:
    create: int = 0
    remove: tuple[Removal, ...] = ()
    surplus_since: float | None = None
    held_since: float | None = None
    look_again_s: float | None = None
    held_back_s: float = 0.0  # nothing is made for so long, after failures


@dataclass(frozen=True, slots=True)
class Census:
    """The pool's pods by what they are."""

    ready: tuple[PodView, ...] = ()
    starting: tuple[PodView, ...] = ()
    ended: tuple[PodView, ...] = ()
    unready: tuple[PodView, ...] = ()  # was ready once and is not
    claimed: int = 0
    troubled: tuple[PodView, ...] = field(default=())

    @property
    def waiting(self) -> tuple[PodView, ...]:
        return (*self.ready, *self.starting, *self.unready)


def census(pods: Sequence[PodView]) -> Census:
    waiting = [pod for pod in pods if pod.waits]
    alive = [pod for pod in waiting if pod.alive]
    not_ready = [pod for pod in alive if not pod.claimable]
    return Census(
        ready=tuple(pod for pod in alive if pod.claimable),
        starting=tuple(pod for pod in not_ready if not pod.was_ready),
        unready=tuple(pod for pod in not_ready if pod.was_ready),
        ended=tuple(pod for pod in waiting if pod.ended and not pod.deleting),
        claimed=sum(1 for pod in pods if pod.session_uid and pod.alive),
        troubled=tuple(pod for pod in not_ready if pod.trouble is not None),
    )


def decide_pool(facts: PoolFacts) -> PoolPlan:
    """Makes what is missing, within the limits; removes what has ended, is out of date, has
    stopped being ready, or has been too much for longer than the cooldown."""
    now = census(facts.pods)
    wanted = facts.spec.scaling.wanted
    removals = [Removal(pod, "ended") for pod in now.ended]
    removals += _hung(facts, now)
    gone = {item.pod.uid for item in removals}
    removals += _outdated(facts, now, wanted, gone)
    gone = {item.pod.uid for item in removals}
    left = [pod for pod in now.waiting if pod.uid not in gone]
    surplus = len(left) + facts.pending - wanted
    surplus_since: float | None = None
    again: list[float] = []
    if surplus > 0:
        surplus_since = facts.clock if facts.surplus_since is None else facts.surplus_since
        rest = surplus_since + facts.spec.scaling.cooldown_seconds - facts.clock
        if rest > 0:
            again.append(rest)
        else:
            removals += [Removal(pod, "surplus") for pod in _least_useful(facts, left)[:surplus]]
    held_back = _held_back(facts)
    create, hold = 0, 0.0
    if surplus < 0:
        starting = sum(1 for pod in now.starting if pod.uid not in gone)
        create, wait = _creation(facts, starting, -surplus, held_back)
        again += [wait] if wait else []
        if create and (hold := _hold(facts, now)) > 0:
            create = 0
            again.append(min(hold, _HOLD_STEP_S))
    again += [rest for pod in now.unready if (rest := _patience(facts, pod)) > 0]
    return PoolPlan(
        create=create,
        remove=tuple(item for item in removals if item.pod.uid not in facts.reserved),
        surplus_since=surplus_since,
        held_since=(facts.clock if facts.held_since is None else facts.held_since)
        if hold > 0
        else None,
        look_again_s=min(again) if again else None,
        held_back_s=held_back,
    )


def _hung(facts: PoolFacts, now: Census) -> list[Removal]:
    return [Removal(pod, "unready") for pod in now.unready if _patience(facts, pod) <= 0]


def _patience(facts: PoolFacts, pod: PodView) -> float:
    since = facts.unready_since.get(pod.uid, facts.clock)
    return facts.unready_seconds - (facts.clock - since)


def _outdated(facts: PoolFacts, now: Census, wanted: int, gone: set[str]) -> list[Removal]:
    """Old pods that go now: with Rolling, as many as leave enough ready ones."""
    if facts.spec.update_strategy.type == "OnClaim":
        return []
    old = [pod for pod in now.waiting if pod.template_hash != facts.hash and pod.uid not in gone]
    # Nothing that cannot be claimed anyway is missed.
    removals = [Removal(pod, "outdated") for pod in old if not pod.claimable]
    may_miss = resolve(facts.spec.update_strategy.max_unavailable, max(wanted, 1))
    spare = len(now.ready) - max(0, wanted - may_miss)
    ready = sorted((pod for pod in old if pod.claimable), key=lambda pod: pod.created)
    return removals + [Removal(pod, "outdated") for pod in ready[: max(0, spare)]]


def _least_useful(facts: PoolFacts, pods: Sequence[PodView]) -> list[PodView]:
    """Out of date first, then not ready, then the youngest."""
    return sorted(
        (pod for pod in pods if pod.uid not in facts.reserved),
        key=lambda pod: (pod.template_hash == facts.hash, pod.claimable, -pod.created.timestamp()),
    )


def _held_back(facts: PoolFacts) -> float:
    """Seconds for which nothing is made, because the last pods ended before they were ready."""
    if not facts.failures:
        return 0.0
    delay = min(_BACKOFF_CAP_S, float(2 ** min(facts.failures, 16)))
    return max(0.0, facts.failed_at + delay - facts.clock)


def _hold(facts: PoolFacts, now: Census) -> float:
    """Seconds for which a refill may still wait: people who wait for a claim come first, as long
    as there are pods for all of them."""
    if not facts.arriving or len(now.ready) < facts.arriving:
        return 0.0
    since = facts.clock if facts.held_since is None else facts.held_since
    return since + facts.hold_seconds - facts.clock


def _creation(
    facts: PoolFacts, starting: int, missing: int, held_back: float
) -> tuple[int, float | None]:
    """How many pods to make, and when to look again if the rest must wait for time to pass."""
    if held_back > 0:
        return 0, held_back
    room = facts.spec.refill.max_concurrent - starting - facts.pending
    number = max(0, min(missing, room))
    if facts.allowance is not None and number > facts.allowance:
        return facts.allowance, 1.0
    return number, None
