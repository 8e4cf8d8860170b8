"""Values of the components that csp is made of."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from generate.values.base import (
    Autoscaling,
    Disruption,
    Environment,
    Image,
    Object,
    Pod,
    Resources,
    Texts,
    Values,
    image,
    resources,
)


class Service(Values):
    """The Service in front of the gateways."""

    type: Literal["ClusterIP", "LoadBalancer", "NodePort"] = Field(
        "ClusterIP", description="How it can be reached."
    )
    annotations: Texts = Field(default_factory=dict, description="Annotations to add.")


class Gateway(Pod, Environment):
    """What browsers and API clients talk to."""

    image: Image = image("csp-gateway")
    replicas: int = Field(2, ge=1, description="Pods, when `autoscaling` is off.")
    resources: Resources = resources("200m", "256Mi", "1Gi")
    service: Service = Field(default_factory=Service, description="Its Service.")
    pre_stop_seconds: int = Field(
        5,
        ge=1,
        le=120,
        description="How long a pod that stops still takes new connections, until nobody sends "
        "any more. Then it closes its streams, and clients go on at another pod.",
    )
    shutdown_seconds: int = Field(
        10, ge=1, le=300, description="What open requests get to finish after that."
    )
    pod_disruption_budget: Disruption = Field(
        default_factory=Disruption, description="What draining nodes must leave running."
    )
    autoscaling: Autoscaling = Field(
        default_factory=Autoscaling, description="A HorizontalPodAutoscaler over CPU."
    )


class ModelProxy(Pod, Environment):
    """Holds the API key, counts the cost, and is all that workers can reach of the model."""

    image: Image = image("csp-proxy")
    replicas: int = Field(2, ge=1, description="Pods, when `autoscaling` is off.")
    resources: Resources = resources("100m", "192Mi", "512Mi")
    shutdown_seconds: int = Field(
        120, ge=1, le=3600, description="How long answers that stream may go on when a pod stops."
    )
    pod_disruption_budget: Disruption = Field(
        default_factory=Disruption, description="What draining nodes must leave running."
    )
    autoscaling: Autoscaling = Field(
        default_factory=Autoscaling, description="A HorizontalPodAutoscaler over CPU."
    )


class ScriptedModel(Pod, Environment):
    """Answers while no key for a real model is set, so that a trial costs nothing."""

    image: Image = image("csp-scripted-model")
    resources: Resources = resources("50m", "96Mi", "256Mi")


class Operator(Pod, Environment):
    """Turns AgentSessions into worker pods and keeps the pools full."""

    image: Image = image("csp-operator")
    replicas: int = Field(2, ge=1, description="Pods; one of them acts, the others wait for it.")
    resources: Resources = resources("100m", "128Mi", "512Mi")
    pod_disruption_budget: Disruption = Field(
        default_factory=Disruption, description="What draining nodes must leave running."
    )
    end_pods_on_uninstall: bool = Field(
        True,
        description="A Job after `helm uninstall` ends the pods of sessions, which nobody looks "
        "after any more. AgentSessions and the log stay.",
    )


class EgressProxy(Pod):
    """The only way from a worker to the internet: a Squid that knows which names are allowed."""

    enabled: bool = Field(True, description="Without it workers reach nothing but the model.")
    image: Image = image("csp-egress-proxy")
    replicas: int = Field(1, ge=1, description="Pods.")
    resources: Resources = resources("50m", "64Mi", "256Mi")
    allowed_domains: list[str] = Field(
        default_factory=list,
        description="Names that agents may reach by HTTP and HTTPS, such as `example.org`, or "
        "`.example.org` for everything below it as well. Everything else is refused.",
    )
    allowed_ports: list[int] = Field(
        default_factory=lambda: [80, 443], description="Ports that may be asked for there."
    )
    allow_private_addresses: bool = Field(
        False,
        description="Let an allowed name be an address of your own network. Off, a name that "
        "somebody points at an internal service is refused.",
    )
    pod_disruption_budget: Disruption = Field(
        default_factory=Disruption, description="What draining nodes must leave running."
    )


class Worker(Values):
    """The image of the pods that agents run in. Everything else about them is in `pools`."""

    image: Image = image("csp-worker")


class Migration(Values):
    """The Job that brings the database's schema up to date before an upgrade."""

    deadline_seconds: int = Field(600, ge=10, description="It has failed after so long.")
    retries: int = Field(3, ge=0, description="How often it is tried again.")
    resources: Resources = resources("50m", "128Mi", "512Mi")
    annotations: Texts = Field(default_factory=dict, description="Annotations of the Job.")


class Crds(Values):
    """The resource definitions. Helm installs them and never changes them afterwards."""

    upgrade: bool = Field(
        True,
        description="Bring them up to date before an upgrade, by a Job with the right to change "
        "these two definitions and nothing else. Off: `kubectl apply` them yourself.",
    )


class ServiceAccounts(Values):
    """The identities of the pods."""

    annotations: Texts = Field(
        default_factory=dict, description="Annotations of all service accounts."
    )


def default_pools() -> dict[str, Any]:
    """One pool that is right for a trial on one node."""
    return {
        "default": {
            "template": {
                "resources": {
                    "requests": {"cpu": "100m", "memory": "512Mi"},
                    "limits": {"memory": "2Gi"},
                }
            },
            "scaling": {"minWarm": 1, "maxWarm": 10, "targetSpare": 2},
        }
    }


Pools = dict[str, Object]
