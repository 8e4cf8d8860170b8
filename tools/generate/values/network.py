"""Values of how csp is reached, and of who may reach whom inside the cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from generate.values.base import CIDR, NAME, Object, Objects, Texts, Values

Cidr = Annotated[str, Field(pattern=CIDR)]

PRIVATE = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
]
"""What `internet` leaves out: private networks, carrier networks, loopback, cloud metadata."""


class Ingress(Values):
    """An Ingress in front of the gateways."""

    enabled: bool = Field(False, description="Make one.")
    class_name: str = Field("", description="IngressClass. Empty: the cluster's default.")
    host: str = Field("csp.example.org", min_length=1, description="Name that browsers ask for.")
    tls_secret: str = Field(
        "", pattern=NAME, description="Secret with the certificate. Empty: no TLS at the Ingress."
    )
    controller: Literal["nginx", "haproxy", "other"] = Field(
        "nginx",
        description="Whose annotations keep WebSockets and event streams open for an hour, pass "
        "them on unbuffered and let uploads through.",
    )
    annotations: Texts = Field(default_factory=dict, description="Annotations to add; they win.")


class GatewayApi(Values):
    """An HTTPRoute of the Gateway API, instead of an Ingress."""

    enabled: bool = Field(False, description="Make one.")
    host: str = Field("csp.example.org", min_length=1, description="Name that browsers ask for.")
    parent_refs: Objects = Field(
        default_factory=list, description="The Gateways that it belongs to, as in an HTTPRoute."
    )
    annotations: Texts = Field(default_factory=dict, description="Annotations to add.")


class NetworkPolicy(Values):
    """Who may reach whom. Some network plugins ignore policies: `helm test` finds out."""

    enabled: bool = Field(True, description="Make them.")
    require_enforcement: bool = Field(
        False,
        description="Let `helm test` fail when the cluster does not enforce them, instead of "
        "warning.",
    )
    gateway_from: Objects = Field(
        default_factory=list,
        description="Who may reach the gateways, as in a NetworkPolicy. Empty: everybody.",
    )
    metrics_from: Objects = Field(
        default_factory=lambda: [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
        ],
        description="Who may read metrics, as in a NetworkPolicy.",
    )
    api_server: list[Cidr] = Field(
        default_factory=lambda: ["0.0.0.0/0"],
        description="Networks of the API server, for operator and gateways.",
    )
    api_server_ports: list[int] = Field(
        default_factory=lambda: [443, 6443], description="Its ports, before and behind its Service."
    )
    database: list[Cidr] = Field(
        default_factory=lambda: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
        description="Networks of a database and Redis of your own.",
    )
    database_ports: list[int] = Field(
        default_factory=lambda: [5432, 6379], description="Their ports."
    )
    internet_except: list[Cidr] = Field(
        default_factory=lambda: list(PRIVATE),
        description="What model proxy and egress proxy may not reach although it is an address.",
    )
    dns: Objects = Field(
        default_factory=list,
        description="Who answers names for everything but workers, as in a NetworkPolicy. Empty: "
        "port 53 anywhere.",
    )


class Metrics(Values):
    """Watching csp. ServiceMonitor and PrometheusRule need the Prometheus operator."""

    service_monitor: bool = Field(False, description="Make ServiceMonitors.")
    interval: str = Field("30s", pattern="^[0-9]+(ms|s|m)$", description="How often to scrape.")
    prometheus_rule: bool = Field(False, description="Make a PrometheusRule with the alerts.")
    dashboards: bool = Field(
        False, description="Make ConfigMaps with the dashboards, for Grafana's sidecar."
    )
    labels: Texts = Field(
        default_factory=dict,
        description="Labels of ServiceMonitors and PrometheusRule, so that yours are selected.",
    )
    dashboard_labels: Texts = Field(
        default_factory=lambda: {"grafana_dashboard": "1"},
        description="Labels that Grafana's sidecar looks for.",
    )
    dashboard_annotations: Object = Field(
        default_factory=dict, description="Annotations of the dashboards, such as a folder."
    )
