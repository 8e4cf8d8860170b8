"""What all parts of the chart's values are made of: strict models, images, pods."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

Object = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]
"""A part of a Kubernetes resource, passed on as it stands."""

Objects = Annotated[
    list[dict[str, Any]], WithJsonSchema({"type": "array", "items": {"type": "object"}})
]
Texts = dict[str, str]

QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
NAME = r"^$|^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
CIDR = r"^[0-9a-fA-F.:]+/[0-9]{1,3}$"


class Values(BaseModel):
    """A value that no field names is refused: it would be a misspelt one."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Image(Values):
    """Where a component's image is."""

    repository: str = Field(
        min_length=1, description="Name of the image, below `image.registry` when that is set."
    )
    tag: str = Field("", description="Its tag. Empty: `image.tag`.")
    digest: str = Field(
        "",
        pattern=r"^$|^sha256:[0-9a-f]{64}$",
        description="Pins exactly this image, whatever the tag says.",
    )


def image(repository: str, tag: str = "") -> Any:
    """The field of a component's image."""
    return Field(
        default_factory=lambda: Image(repository=repository, tag=tag),
        description="Where the image is.",
    )


class Amounts(Values):
    """Amounts of CPU and memory."""

    cpu: str = Field("", pattern=f"^$|{QUANTITY}", description="Processors, for example 100m.")
    memory: str = Field("", pattern=f"^$|{QUANTITY}", description="Memory, for example 256Mi.")


class Resources(Values):
    """CPU and memory of a container. An empty amount is left out."""

    requests: Amounts = Field(default_factory=Amounts, description="What the scheduler sets aside.")
    limits: Amounts = Field(default_factory=Amounts, description="What it may use at most.")


def resources(cpu: str, memory: str, at_most: str) -> Any:
    """The field of a container's resources. CPU is not limited: throttling costs latency."""
    return Field(
        default_factory=lambda: Resources(
            requests=Amounts(cpu=cpu, memory=memory), limits=Amounts(memory=at_most)
        ),
        description="CPU and memory of the container.",
    )


class Pod(Values):
    """What every component's pods can be given."""

    pod_labels: Texts = Field(default_factory=dict, description="Labels to add to the pods.")
    pod_annotations: Texts = Field(
        default_factory=dict, description="Annotations to add to the pods."
    )
    node_selector: Texts = Field(default_factory=dict, description="Labels that a node must have.")
    tolerations: Objects = Field(default_factory=list, description="As in a pod.")
    affinity: Object = Field(default_factory=dict, description="As in a pod.")
    priority_class_name: str = Field("", pattern=NAME, description="PriorityClass of the pods.")


class Environment(Values):
    """Settings that the chart has no value of its own for."""

    env: Texts = Field(
        default_factory=dict,
        description="Further settings by the names of the settings reference. No secrets.",
    )


class Disruption(Values):
    """A PodDisruptionBudget: what draining nodes must leave running."""

    enabled: bool = Field(True, description="Make one, when there is more than one replica.")
    min_available: int = Field(1, ge=0, description="Pods that stay.")


class Autoscaling(Values):
    """A HorizontalPodAutoscaler over CPU. It needs a metrics server."""

    enabled: bool = Field(False, description="Let the cluster choose the number of replicas.")
    min_replicas: int = Field(2, ge=1, description="Never fewer.")
    max_replicas: int = Field(10, ge=1, description="Never more.")
    cpu_percent: int = Field(
        70, ge=1, le=100, description="Share of the requested CPU that is aimed at."
    )
