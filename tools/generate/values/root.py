"""The chart's values as one model, in the order of values.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from generate.values.base import Object, Values
from generate.values.data import Database, Model, Objects, PostgreSql, Redis, SigningKey, Valkey
from generate.values.network import GatewayApi, Ingress, Metrics, NetworkPolicy
from generate.values.workloads import (
    Crds,
    EgressProxy,
    Gateway,
    Migration,
    ModelProxy,
    Operator,
    Pools,
    ScriptedModel,
    ServiceAccounts,
    Worker,
    default_pools,
)


class Images(Values):
    """What holds for all images."""

    registry: str = Field(
        "", description="Put before every repository, for example registry.example.org/csp."
    )
    tag: str = Field("", description="Tag of csp's own images. Empty: the chart's appVersion.")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        "IfNotPresent", description="As in a pod."
    )
    pull_secrets: list[str] = Field(
        default_factory=list, description="Names of Secrets to pull with."
    )


class Log(Values):
    """How everything logs."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe level that is logged."
    )
    format: Literal["json", "console"] = Field(
        "json", description="`json` for machines, `console` for people."
    )


class ChartValues(Values):
    """Everything that can be set."""

    global_: Object = Field(
        default_factory=dict,
        alias="global",
        description="Helm's own place for values that charts share; not used.",
    )
    public_url: str = Field(
        "",
        pattern="^$|^https?://[^/]+/?$",
        description="Address under which browsers reach csp, for example "
        "https://csp.example.org. Empty: as `kubectl port-forward` gives it.",
    )
    tenants: dict[str, str] = Field(
        default_factory=dict,
        description="Namespaces in which AgentSessions are served, each with its tenant. Empty: "
        "the release's own namespace, tenant `local`. Other namespaces must exist.",
    )
    image: Images = Field(default_factory=Images, description="What holds for all images.")
    log: Log = Field(default_factory=Log, description="How everything logs.")
    model: Model = Field(default_factory=Model, description="The model behind the model proxy.")
    pools: Pools = Field(
        default_factory=default_pools,
        description="Pools of waiting pods by name: each is the spec of an AgentPool, see the "
        "resources reference. The image defaults to `worker.image`.",
    )
    worker: Worker = Field(default_factory=Worker, description="Pods that agents run in.")
    gateway: Gateway = Field(default_factory=Gateway, description="Browsers and API clients.")
    model_proxy: ModelProxy = Field(
        default_factory=ModelProxy, description="Holds the API key and counts the cost."
    )
    operator: Operator = Field(default_factory=Operator, description="Makes worker pods.")
    egress_proxy: EgressProxy = Field(
        default_factory=EgressProxy, description="The workers' way to the internet."
    )
    scripted_model: ScriptedModel = Field(
        default_factory=ScriptedModel, description="Answers while there is no key."
    )
    database: Database = Field(default_factory=Database, description="Your own PostgreSQL.")
    postgresql: PostgreSql = Field(
        default_factory=PostgreSql, description="A PostgreSQL for trials."
    )
    redis: Redis = Field(default_factory=Redis, description="Your own Redis or Valkey.")
    objects: Objects = Field(default_factory=Objects, description="A bucket for files.")
    valkey: Valkey = Field(default_factory=Valkey, description="A Valkey for trials.")
    signing_key: SigningKey = Field(
        default_factory=SigningKey, description="With what gateways sign."
    )
    ingress: Ingress = Field(default_factory=Ingress, description="An Ingress.")
    gateway_api: GatewayApi = Field(default_factory=GatewayApi, description="An HTTPRoute.")
    network_policy: NetworkPolicy = Field(
        default_factory=NetworkPolicy, description="Who may reach whom."
    )
    metrics: Metrics = Field(default_factory=Metrics, description="Watching csp.")
    migration: Migration = Field(default_factory=Migration, description="Schema changes.")
    crds: Crds = Field(default_factory=Crds, description="The resource definitions.")
    service_account: ServiceAccounts = Field(
        default_factory=ServiceAccounts, description="The identities of the pods."
    )
