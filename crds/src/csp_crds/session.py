"""AgentSession: one agent for one user, in a pod of its own while it is needed.

The status has two writers that never share a field: the operator says where the session's pod is,
the control plane what happens in it. Both write by server-side apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from csp_crds.agent import AgentSpec
from csp_crds.agent_resource import ResourceAgent
from csp_crds.base import Model, duration
from csp_crds.conditions import Condition

Phase = Literal["Pending", "Starting", "Bound", "Paused", "Suspended", "Finished", "Failed"]
"""Derived from the operator's conditions. Whether an agent answers is the condition Ready."""

Start = Literal["warm", "warm_partial", "cold"]
"""How the pod came: a spare of the right profile, a spare whose CLI restarts, made for it."""


def _immutable(field: str, optional: bool = False) -> JsonDict:
    same = f"self.{field} == oldSelf.{field}"
    if optional:
        same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})"
    return {"rule": same, "message": f"{field} is immutable", "fieldPath": f".{field}"}


class PoolRef(Model):
    """Names an AgentPool of the same namespace."""

    name: str = Field(
        "default",
        description="Name of the AgentPool.",
        max_length=63,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    )


class Prompt(Model):
    """A first message that runs without anybody watching."""

    text: str = Field(description="The message.", min_length=1, max_length=100_000)
    on_approval: Literal["Deny", "Wait"] = Field(
        "Deny",
        description="What happens when a tool needs a person's approval: Deny refuses it and the "
        "agent goes on, Wait waits until somebody answers on the page or through the API.",
    )


class ForkFrom(Model):
    """Where another session is left."""

    session_id: str = Field(
        description="Id of a session of the same owner (sesn_...).", min_length=1, max_length=253
    )
    at: str | None = Field(
        None,
        description="Id of a user.message of its log (sevt_...): this session begins with "
        "everything before it. Absent: with everything up to the last turn that has ended.",
        min_length=1,
        max_length=253,
    )


class Lifecycle(Model):
    """How long the session keeps its pod, and how long the resource is kept after its end."""

    idle_timeout: Annotated[str, duration("1s", "720h")] = Field(
        "30m",
        description="Without a turn for this long the pod is given back; the next message wakes "
        "the session. A running turn or an open approval is never idle.",
    )
    max_lifetime: Annotated[str, duration("1s", "720h")] = Field(
        "4h",
        description="The longest time with pods, counted from the claim; a pause starts it anew, "
        "and time that the session waits for a pod does not count. Then the session finishes: a "
        "running turn is warned of by an Event and the condition "
        "Finished, and has some minutes to end.",
    )
    ttl_after_finished: Annotated[str, duration("0s", "8760h")] | None = Field(
        None,
        description="How long the resource is kept once it is Finished. Absent: until somebody "
        "deletes it. The session's log is kept in any case.",
    )


class Budget(Model):
    """What the session may spend with the model provider."""

    usd: str = Field(
        description="US dollars, such as 2.50. When they are used up, the model proxy refuses "
        "further requests and the condition BudgetExhausted is true.",
        max_length=16,
        pattern=r"^\d{1,7}(\.\d{1,6})?$",
    )


class FailurePolicy(Model):
    """What happens when the session's pod dies under it."""

    max_rebinds: int = Field(
        5,
        ge=0,
        le=100,
        description="How many pods in a row may be lost before the session is Failed. A pod that "
        "lived ten minutes starts the count anew.",
    )
    backoff_seconds: int = Field(
        2,
        ge=0,
        le=3600,
        description="Wait before the second pod in a row is replaced; doubles each time, up to "
        "five minutes. The first is replaced at once.",
    )


class AgentSessionSpec(Model):
    """What is asked for."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        json_schema_extra={
            "x-kubernetes-validations": [
                _immutable("owner"),
                _immutable("tenant", optional=True),
                _immutable("poolRef"),
                _immutable("prompt", optional=True),
                _immutable("resumeFrom", optional=True),
                _immutable("forkFrom", optional=True),
                {
                    "rule": "!has(self.forkFrom) || !has(self.resumeFrom)",
                    "message": "forkFrom and resumeFrom exclude each other: fork leaves the other "
                    "session alone, resume ends it",
                    "fieldPath": ".forkFrom",
                },
            ]
        },
    )

    pool_ref: PoolRef = Field(
        default_factory=PoolRef,
        description="The pool that the session's pod comes from. Immutable.",
    )
    owner: str = Field(
        description="Whose session it is: the e-mail address or the id of a user of the tenant. "
        "Immutable.",
        min_length=1,
        max_length=254,
    )
    tenant: str | None = Field(
        None,
        description="The tenant, when it shall be said: it must be the one that the namespace "
        "belongs to. Immutable.",
        min_length=1,
        max_length=64,
    )
    agent: ResourceAgent = Field(
        default_factory=AgentSpec, description="What the agent is and may do."
    )
    prompt: Prompt | None = Field(
        None, description="A first message that runs without anybody watching. Immutable."
    )
    resume_from: str | None = Field(
        None,
        description="Id of an earlier session of the same owner (sesn_...) whose conversation goes "
        "on here. Immutable.",
        min_length=1,
        max_length=253,
    )
    fork_from: ForkFrom | None = Field(
        None,
        description="A session whose conversation and files this one begins with; it goes on as "
        "it was. Immutable.",
    )
    lifecycle: Lifecycle = Field(
        default_factory=Lifecycle, description="How long the pod and the resource are kept."
    )
    budget: Budget | None = Field(None, description="What the session may spend. Absent: no limit.")
    suspend: bool = Field(
        False,
        description="True gives the pod back and keeps everything else; messages are refused until "
        "it is false again.",
    )
    cold_start: Literal["Allow", "Wait", "Reject"] = Field(
        "Allow",
        description="When the pool has no warm pod: Allow makes one for this session, Wait waits "
        "for the next warm one, Reject finishes the session as Failed.",
    )
    failure_policy: FailurePolicy = Field(
        default_factory=FailurePolicy, description="What happens when the pod dies."
    )


class SessionPod(Model):
    """The pod that is the session's worker now."""

    name: str = Field(description="Its name.")
    uid: str = Field(description="Its UID; the control plane binds exactly this pod.")
    ip: str | None = Field(None, description="Its address, once it has one.")
    since: datetime | None = Field(None, description="When it became the session's.")
    start: Start = Field(
        description="How it came: warm, warm_partial (a spare whose CLI had to start again), cold."
    )


class AgentSessionStatus(Model):
    """What is the case."""

    # The operator's
    phase: Phase | None = Field(None, description="One word for the conditions of the operator.")
    observed_generation: int | None = Field(
        None, ge=0, description="Generation of the spec that the operator acted on."
    )
    pod: SessionPod | None = Field(None, description="The session's pod, while it has one.")
    rebinds: int | None = Field(None, ge=0, description="Pods in a row that were lost.")
    active_since: datetime | None = Field(
        None,
        description="When maxLifetime began: the first claim since the session was made or woken, "
        "later by as long as it waited for another pod.",
    )
    # The control plane's
    session_id: str | None = Field(None, description="Id in the API and on the page (sesn_...).")
    claude_session_id: str | None = Field(None, description="Id of the conversation in the CLI.")
    cost: str | None = Field(None, description="Spent with the model provider, in US dollars.")
    last_activity: datetime | None = Field(None, description="When a turn began or ended last.")
    result: str | None = Field(None, description="Beginning of the last answer.")
    conditions: tuple[Condition, ...] = Field(
        (),
        description="Operator: Bound, Suspended, Finished. Control plane: Accepted, Ready, "
        "TurnActive, AwaitingApproval, BudgetExhausted.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


def parse_session(
    resource: Mapping[str, Any],
) -> tuple[AgentSessionSpec, AgentSessionStatus]:
    """Both halves of a resource. Raises pydantic.ValidationError for what no schema let in."""
    spec = AgentSessionSpec.model_validate(resource.get("spec") or {})
    return spec, AgentSessionStatus.model_validate(resource.get("status") or {})
