"""What the operator remembers of pods, sessions and pools: the few fields that decisions need.

Whole objects would cost ten times the memory, and a decision over a small frozen value can be
tested by a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from csp_crds import names
from csp_crds.pool import AgentPoolSpec, AgentPoolStatus, parse_pool
from csp_crds.session import AgentSessionSpec, AgentSessionStatus, parse_session

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod does not start, in the scheduler's or the kubelet's own words."""

    reason: str  # Unschedulable, ErrImagePull, ...
    message: str


@dataclass(frozen=True, slots=True)
class PodView:
    namespace: str
    name: str
    uid: str
    version: int
    pool: str | None
    state: str | None
    session_uid: str | None
    session_name: str | None
    ours: bool  # made by this operator
    template_hash: str | None
    profile: str | None
    owner_kind: str | None
    owner_uid: str | None
    phase: str
    ready: bool
    ready_since: datetime | None  # or not ready since
    was_ready: bool  # at some time since the operator began to look
    ip: str | None
    addresses: frozenset[str]  # of the Services that it knows by name, for its whole life
    deleting: bool
    created: datetime
    trouble: Trouble | None
    ending: str | None  # how the container ended, for a person

    @property
    def ended(self) -> bool:
        return self.phase in ("Succeeded", "Failed")

    @property
    def alive(self) -> bool:
        """It runs or will."""
        return not self.ended and not self.deleting

    @property
    def waits(self) -> bool:
        """It is a pool's: warm, or on the way there. Labels alone do not make it so, since a
        person can change them on a used pod."""
        return (
            self.state == names.STATE_WARM
            and self.owner_kind == names.POOL_KIND
            and self.session_uid is None
            and self.session_name is None
        )

    @property
    def claimable(self) -> bool:
        return self.waits and self.alive and self.ready and self.ip is not None


@dataclass(frozen=True, slots=True)
class SessionView:
    namespace: str
    name: str
    uid: str
    version: int
    generation: int
    created: datetime
    deleting: bool
    paused: bool
    release: str | None
    finish: str | None
    spec: AgentSessionSpec | None  # None: it does not parse, see invalid
    profile: str | None  # of the spares that fit it
    status: AgentSessionStatus
    invalid: str | None


@dataclass(frozen=True, slots=True)
class PoolView:
    namespace: str
    name: str
    uid: str
    version: int
    generation: int
    deleting: bool
    spec: AgentPoolSpec | None
    status: AgentPoolStatus
    invalid: str | None


def pod_view(pod: Object, known: PodView | None = None) -> PodView:
    """`known`: an earlier view of it."""
    meta, status = pod["metadata"], pod.get("status") or {}
    labels, notes = meta.get("labels") or {}, meta.get("annotations") or {}
    owners: list[Object] = meta.get("ownerReferences") or []
    owner = next((o for o in owners if o.get("controller")), {})
    conditions = {item["type"]: item for item in status.get("conditions") or []}
    ready = conditions.get("Ready", {})
    return PodView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=version_of(pod),
        pool=labels.get(names.POOL),
        state=labels.get(names.STATE),
        # The owner counts: garbage collection goes by it, and labels are easily changed by hand.
        session_uid=owner.get("uid")
        if owner.get("kind") == names.SESSION_KIND
        else labels.get(names.SESSION_UID),
        session_name=notes.get(names.SESSION_NAME),
        ours=labels.get("app.kubernetes.io/managed-by") == names.OPERATOR_MANAGER,
        template_hash=labels.get(names.TEMPLATE_HASH),
        profile=labels.get(names.PROFILE),
        owner_kind=owner.get("kind"),
        owner_uid=owner.get("uid"),
        phase=status.get("phase", "Pending"),
        ready=ready.get("status") == "True",
        ready_since=when(ready.get("lastTransitionTime")),
        was_ready=ready.get("status") == "True" or (known is not None and known.was_ready),
        ip=status.get("podIP"),
        addresses=known.addresses if known else _addresses(pod),
        deleting="deletionTimestamp" in meta,
        created=when(meta.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC),
        trouble=_trouble(status, conditions),
        ending=_ending(status),
    )


def session_view(resource: Object, known: SessionView | None = None) -> SessionView:
    """`known`: an earlier view of it, whose parsed spec serves again while it is the same."""
    meta = resource["metadata"]
    notes = meta.get("annotations") or {}
    generation = meta.get("generation", 0)
    spec: AgentSessionSpec | None = None
    profile: str | None = None
    status, invalid = AgentSessionStatus(), None
    try:
        same = known is not None and known.uid == meta["uid"] and known.generation == generation
        if known is not None and same and known.spec is not None:
            spec, profile = known.spec, known.profile
            status = AgentSessionStatus.model_validate(resource.get("status") or {})
        else:
            spec, status = parse_session(resource)
            profile = spec.agent.spawn_profile()
    except ValidationError as error:
        invalid = in_words(error)
    return SessionView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=version_of(resource),
        generation=generation,
        created=when(meta.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC),
        deleting="deletionTimestamp" in meta,
        paused=notes.get(names.PAUSED) == "true",
        release=notes.get(names.RELEASE),
        finish=notes.get(names.FINISH) or None,
        spec=spec,
        profile=profile,
        status=status,
        invalid=invalid,
    )


def pool_view(resource: Object) -> PoolView:
    meta = resource["metadata"]
    spec: AgentPoolSpec | None = None
    status, invalid = AgentPoolStatus(), None
    try:
        spec, status = parse_pool(resource)
    except ValidationError as error:
        invalid = in_words(error)
    return PoolView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=version_of(resource),
        generation=meta.get("generation", 0),
        deleting="deletionTimestamp" in meta,
        spec=spec,
        status=status,
        invalid=invalid,
    )


def version_of(resource: Object) -> int:
    """Versions of one resource grow; every API server that there is counts them in decimals."""
    return int(resource["metadata"].get("resourceVersion") or 0)


def when(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def in_words(error: ValidationError) -> str:
    """Each wrong field with what is wrong about it."""
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())


def _addresses(pod: Object) -> frozenset[str]:
    aliases = (pod.get("spec") or {}).get("hostAliases") or []
    return frozenset(alias["ip"] for alias in aliases)


def _trouble(status: Object, conditions: Mapping[str, Object]) -> Trouble | None:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return Trouble(scheduled.get("reason", "Unschedulable"), scheduled.get("message", ""))
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return Trouble(waiting["reason"], waiting.get("message", ""))
    return None


def _ending(status: Object) -> str | None:
    for container in status.get("containerStatuses") or []:
        ended = (container.get("state") or {}).get("terminated")
        if ended:
            text = f"{ended.get('reason', 'Error')}, exit code {ended.get('exitCode')}"
            return f"{text}: {ended['message']}" if ended.get("message") else text
    if status.get("reason"):  # the whole pod: Evicted, NodeLost, DeadlineExceeded
        return f"{status['reason']}: {status.get('message', '')}".rstrip(": ")
    return None
