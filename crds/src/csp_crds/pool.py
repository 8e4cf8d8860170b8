"""AgentPool: pods that wait, ready, until a session needs one.

All pods of a pool look the same: one template and one spawn profile. A claimed pod has left the
pool for ever, so that a change of the template never touches a session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from csp_crds.agent import AgentSpec
from csp_crds.agent_resource import ResourceAgent
from csp_crds.base import IntOrPercent, Model, Open, Quantity
from csp_crds.conditions import Condition


class Resources(Model):
    """CPU and memory of the worker's container."""

    requests: dict[str, Quantity] = Field(
        default_factory=dict, description="What the scheduler sets aside."
    )
    limits: dict[str, Quantity] = Field(
        default_factory=dict, description="What the container may use at most."
    )


class LocalReference(Model):
    """Names a Secret of the same namespace."""

    name: str = Field(description="Name of the Secret.", min_length=1, max_length=253)


class PodTemplate(Model):
    """What a worker's pod is made of. Its security context is fixed and cannot be weakened here."""

    image: str = Field(description="Image of the worker.", min_length=1, max_length=1024)
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="As in a pod. Absent: decided by the image's tag."
    )
    image_pull_secrets: tuple[LocalReference, ...] = Field(
        (), description="Secrets to pull the image with.", max_length=10
    )
    resources: Resources = Field(
        default_factory=Resources, description="CPU and memory of the worker's container."
    )
    runtime_class_name: str | None = Field(
        None, description="RuntimeClass, for example of gVisor or Kata.", max_length=253
    )
    node_selector: dict[str, str] = Field(
        default_factory=dict, description="Labels that a node must have."
    )
    tolerations: tuple[Open, ...] = Field(
        (),
        description="As in a pod; two that evict from a lost node soon are added.",
        max_length=50,
    )
    affinity: Open | None = Field(None, description="As in a pod.")
    priority_class_name: str | None = Field(None, description="PriorityClass.", max_length=253)
    workspace_size: Quantity = Field(
        "5Gi", description="Limit of the working directory, on the node's disk."
    )
    home_size: Quantity = Field(
        "2Gi", description="Limit of the worker's own directory: CLI state, temporary files, spill."
    )
    pod_labels: dict[str, str] = Field(
        default_factory=dict, description="Labels to add. Those of csp win."
    )
    pod_annotations: dict[str, str] = Field(default_factory=dict, description="Annotations to add.")


class Scaling(Model):
    """How many pods wait."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.minWarm <= self.maxWarm",
                    "message": "must not be more than maxWarm",
                    "fieldPath": ".minWarm",
                },
                {
                    "rule": "self.targetSpare <= self.maxWarm",
                    "message": "must not be more than maxWarm",
                    "fieldPath": ".targetSpare",
                },
            ]
        },
    )

    min_warm: int = Field(
        0, ge=0, le=5000, description="Never fewer than this, whatever targetSpare says."
    )
    max_warm: int = Field(100, ge=0, le=5000, description="Never more than this.")
    target_spare: int = Field(
        2,
        ge=0,
        le=5000,
        description="How many pods shall wait. `kubectl scale` and a HorizontalPodAutoscaler "
        "change this number.",
    )
    cooldown_seconds: int = Field(
        60,
        ge=0,
        le=86_400,
        description="How long there must be too many before some are removed.",
    )

    @property
    def wanted(self) -> int:
        """The number of warm pods that the pool works towards."""
        return min(max(self.target_spare, self.min_warm), self.max_warm)


class Refill(Model):
    """How fast pods are made."""

    max_concurrent: int = Field(
        5, ge=1, le=1000, description="Pods that may be starting at the same time."
    )
    per_second: int | None = Field(
        None, ge=1, le=1000, description="Pods that may be made in a second. Absent: no limit."
    )


class UpdateStrategy(Model):
    """How waiting pods follow a change of template or profile. Claimed pods never do."""

    type: Literal["Rolling", "OnClaim"] = Field(
        "Rolling",
        description="Rolling replaces waiting pods, some at a time. OnClaim makes new pods from "
        "the new template and lets the old ones be used up.",
    )
    max_unavailable: IntOrPercent = Field(
        "25%", description="With Rolling: how many of the wanted pods may be missing meanwhile."
    )


class AgentPoolSpec(Model):
    """What is asked for."""

    template: PodTemplate = Field(description="What a pod is made of.")
    profile: ResourceAgent = Field(
        default_factory=AgentSpec,
        description="The agent that waiting pods prepare for. Tools, betas, output schema, skills, "
        "thinking and verbatim prompts are fixed when the CLI starts: a session that differs in "
        "one of them restarts the CLI in its pod (warm_partial).",
    )
    scaling: Scaling = Field(default_factory=Scaling, description="How many pods wait.")
    refill: Refill = Field(default_factory=Refill, description="How fast pods are made.")
    update_strategy: UpdateStrategy = Field(
        default_factory=UpdateStrategy, description="How waiting pods follow a change."
    )


class AgentPoolStatus(Model):
    """What is the case. The operator writes all of it."""

    observed_generation: int | None = Field(
        None, ge=0, description="Generation of the spec that the operator acted on."
    )
    warm: int | None = Field(None, ge=0, description="Pods that wait and are ready.")
    starting: int | None = Field(None, ge=0, description="Pods that wait and are not ready yet.")
    claimed: int | None = Field(None, ge=0, description="Pods that serve a session.")
    updated: int | None = Field(
        None, ge=0, description="Waiting pods, ready or not, of the present template and profile."
    )
    template_hash: str | None = Field(None, description="Hash of the present template and profile.")
    selector: str | None = Field(None, description="Label selector of waiting pods, for /scale.")
    conditions: tuple[Condition, ...] = Field(
        (),
        description="Available: a session can have a pod at once. Progressing: the pool nears what "
        "is wanted, or cannot and why. Unschedulable: the scheduler has no node, in its own words.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


def parse_pool(resource: Mapping[str, Any]) -> tuple[AgentPoolSpec, AgentPoolStatus]:
    """Both halves of a resource. Raises pydantic.ValidationError for what no schema let in."""
    spec = AgentPoolSpec.model_validate(resource.get("spec") or {})
    return spec, AgentPoolStatus.model_validate(resource.get("status") or {})
