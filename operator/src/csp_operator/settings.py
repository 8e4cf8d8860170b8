"""What the operator is told from outside, read once in its entry."""

from __future__ import annotations

import socket
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class OperatorSettings(BaseSettings):
    """The operator, `python -m csp_operator`. It finds the API server by its service account, or
    by KUBECONFIG."""

    model_config = SettingsConfigDict(env_prefix="CSP_OPERATOR_", frozen=True, extra="ignore")

    namespaces: Annotated[tuple[str, ...], NoDecode] = Field(
        ("csp",), min_length=1, description="Namespaces that it serves, separated by commas."
    )
    identity: str = Field(
        default_factory=socket.gethostname,
        min_length=1,
        description="Name of this replica in the Lease.",
    )
    lease_namespace: str = Field("csp", description="Namespace of the Lease.")
    lease_name: str = Field("csp-operator", description="Name of the Lease.")
    lease_seconds: float = Field(
        15.0, gt=0, le=300, description="A leader that is silent for so long is replaced."
    )
    lease_renew_seconds: float = Field(
        10.0, gt=0, le=300, description="A leader that could not renew for so long stops acting."
    )
    lease_retry_seconds: float = Field(
        2.0, gt=0, le=60, description="Time between two attempts to renew or to take the Lease."
    )
    request_seconds: float = Field(
        10.0, gt=0, le=60, description="Longest wait for an answer of the API server."
    )
    resync_seconds: float = Field(
        120.0, gt=0, le=3600, description="How often everything is listed and looked at again."
    )
    workers: int = Field(
        8,
        ge=1,
        le=256,
        description="Resources that are looked at together. More do not make an API server faster, "
        "and in a crowd each then waits for all.",
    )
    refill_settle_seconds: float = Field(
        0.1, ge=0, le=10, description="A pool is looked at this long after the last claim from it."
    )
    refill_hold_seconds: float = Field(
        2.0,
        ge=0,
        le=60,
        description="Longest time that a refill waits while sessions are claiming and there are "
        "pods for all of them.",
    )
    stable_seconds: float = Field(
        600.0, gt=0, description="A pod that lived so long starts the count of lost pods anew."
    )
    turn_grace_seconds: float = Field(
        600.0, ge=0, description="How long a running turn may go on after maxLifetime."
    )
    idle_margin_seconds: float = Field(
        60.0,
        ge=0,
        description="Added to idleTimeout: the control plane, which knows more, comes first.",
    )
    gateway_lease_name: str = Field(
        "csp-gateway",
        description="Name of the Lease that gateways renew, in the same namespace. A session's "
        "quiet time counts only while they do.",
    )
    gateway_silence_seconds: float = Field(
        45.0,
        gt=0,
        le=600,
        description="Gateways whose Lease does not change for so long are away, and every quiet "
        "time begins anew when they are back.",
    )
    watch_silence_seconds: float = Field(
        70.0,
        gt=0,
        le=3600,
        description="A watch that brings nothing for so long, not even a bookmark, is dead and "
        "begins again with a list. API servers send a bookmark each minute.",
    )
    unready_seconds: float = Field(
        60.0, gt=0, description="A waiting pod that stopped being ready for so long is replaced."
    )
    worker_keys_config_map: str = Field(
        "csp-worker-keys", description="ConfigMap with jwks.json, in every served namespace."
    )
    services_namespace: str = Field(
        "csp", description="Namespace of the Services that workers reach."
    )
    model_proxy_service: str = Field(
        "csp-model-proxy", description="Service of the model proxy; port 8402."
    )
    egress_proxy_service: str = Field(
        "csp-egress-proxy",
        description="Service of the egress proxy; port 3128. Empty: workers have none.",
    )
    metrics_host: str = Field("0.0.0.0", description="Address of /metrics, /healthz, /readyz.")  # noqa: S104
    metrics_port: int = Field(8405, ge=0, le=65535, description="Port of the same.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe level that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="`json` for machines, `console` for people."
    )

    @field_validator("namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
