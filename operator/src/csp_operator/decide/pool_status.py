"""What an AgentPool's status says, from the same facts as its plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from csp_crds import names
from csp_crds.conditions import Condition, PoolCondition, Status, find, renewed
from csp_crds.pool import AgentPoolStatus
from csp_operator.decide.pools import Census
from csp_operator.views import PodView, PoolView, Trouble

_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


def pool_status(
    pool: PoolView,
    counts: Census,
    template_hash: str,
    now: datetime,
    *,
    held_back_s: float = 0.0,
    last_failure: str = "",
    refused: str = "",
) -> AgentPoolStatus:
    """`refused`: the API server's words when it did not take a pod."""
    spec = pool.spec
    wanted = spec.scaling.wanted if spec else 0
    waiting = counts.waiting
    updated = sum(1 for pod in waiting if pod.template_hash == template_hash)

    def condition(kind: PoolCondition, status: Status, reason: str, message: str) -> Condition:
        old = find(pool.status.conditions, kind)
        return renewed(old, kind, status, reason, message, now, pool.generation)

    unscheduled = [pod for pod in counts.troubled if _unschedulable(pod)]
    progress = _progress(counts, wanted, updated, held_back_s, last_failure, refused)
    ready = len(counts.ready)
    return AgentPoolStatus(
        observed_generation=pool.generation,
        warm=ready,
        starting=len(counts.starting) + len(counts.unready),
        claimed=counts.claimed,
        updated=updated,
        template_hash=template_hash,
        selector=f"{names.POOL}={pool.name},{names.STATE}={names.STATE_WARM}",
        conditions=(
            condition(PoolCondition.AVAILABLE, "True", "PodsWait", f"{ready} pods are ready.")
            if ready
            else condition(PoolCondition.AVAILABLE, "False", "NoneReady", "No pod is ready.")
            if wanted
            else condition(PoolCondition.AVAILABLE, "False", "NoneWanted", "No pod shall wait."),
            condition(PoolCondition.PROGRESSING, *progress),
            condition(PoolCondition.UNSCHEDULABLE, "True", *_words(unscheduled))
            if unscheduled
            else condition(PoolCondition.UNSCHEDULABLE, "False", "Scheduled", ""),
        ),
    )


def broken_status(pool: PoolView, reason: str, message: str, now: datetime) -> AgentPoolStatus:
    """Of a pool for which no pod can be made at all."""
    old = find(pool.status.conditions, PoolCondition.PROGRESSING)
    broken = renewed(old, PoolCondition.PROGRESSING, "False", reason, message, now, pool.generation)
    rest = tuple(item for item in pool.status.conditions if item.type != PoolCondition.PROGRESSING)
    return pool.status.model_copy(
        update={"observed_generation": pool.generation, "conditions": (*rest, broken)}
    )


def trouble_of(status: AgentPoolStatus) -> Trouble | None:
    """Why no pod becomes ready, in the words that the pool's status has for it."""
    found = find(status.conditions, PoolCondition.PROGRESSING)
    if found is None or found.status != "False":
        return None
    return Trouble(found.reason, found.message)


def _progress(
    counts: Census, wanted: int, updated: int, held_back_s: float, last_failure: str, refused: str
) -> tuple[Status, str, str]:
    if refused:
        return "False", "PodsRefused", refused
    image = [pod for pod in counts.troubled if pod.trouble and pod.trouble.reason in _IMAGE]
    if image:
        return "False", "ImagePull", _words(image)[1]
    unscheduled = [pod for pod in counts.troubled if _unschedulable(pod)]
    if unscheduled:
        return "False", "Unschedulable", _words(unscheduled)[1]
    if held_back_s > 0:
        text = "New pods end before they are ready; the next attempt is made after a pause."
        return "False", "PodsFail", f"{text} The last one: {last_failure}"
    if counts.troubled:
        return "False", "PodsDoNotStart", _words(counts.troubled)[1]
    ready = len(counts.ready)
    if updated < len(counts.waiting):
        return "True", "Updating", f"{updated} of {len(counts.waiting)} pods are of the template."
    if ready < wanted:
        return "True", "Filling", f"{ready} of {wanted} pods are ready."
    if len(counts.waiting) > wanted:
        return "True", "Shrinking", f"{len(counts.waiting)} pods wait, {wanted} are wanted."
    return "True", "Complete", f"{ready} of {wanted} pods are ready."


def _unschedulable(pod: PodView) -> bool:
    return (
        pod.trouble is not None
        and pod.phase == "Pending"
        and pod.trouble.reason
        in (
            "Unschedulable",
            "SchedulingGated",
        )
    )


def _words(pods: Sequence[PodView]) -> tuple[str, str]:
    """Reason and message of the first, and of how many it is true."""
    first = pods[0].trouble
    if first is None:
        return "Unknown", ""
    more = f" ({len(pods)} pods)" if len(pods) > 1 else ""
    return first.reason, f"{first.message or first.reason}{more}"
