"""Settings of the Kubernetes runtime."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class KubernetesSettings(BaseSettings):
    """Where AgentSession resources live. Read with CSP_RUNTIME=kubernetes only.

    The API server is found by the pod's service account, else by KUBECONFIG.
    """

    model_config = SettingsConfigDict(env_prefix="CSP_KUBERNETES_", frozen=True)

    namespace: str = Field(
        "csp",
        min_length=1,
        description="Namespace of the sessions of tenants that have no namespace of their own.",
    )
    tenant: str = Field(
        "local",
        min_length=1,
        description="Tenant of AgentSessions that somebody else writes into that namespace.",
    )
    tenants: dict[str, str] = Field(
        default_factory=dict,
        description='Further namespaces and their tenants, e.g. {"team-a": "acme"}.',
    )
    pool: str = Field(
        "default", min_length=1, description="AgentPool of the sessions that are made by the API."
    )
    lease_namespace: str | None = Field(
        None, description="Namespace of the gateways' Lease. Unset: that of the sessions."
    )
    lease_name: str = Field(
        "csp-gateway",
        min_length=1,
        description="Lease that each gateway renews, so that the operator knows that what the "
        "statuses of sessions say is kept up to date.",
    )
    heartbeat_seconds: float = Field(10.0, gt=0, description="How often it is renewed.")
    resync_seconds: float = Field(
        300.0, gt=0, description="How often everything is compared anew, whatever was announced."
    )
    watch_seconds: int = Field(
        50, ge=1, le=3600, description="How long one watch lasts; a silent one is noticed then."
    )

    def tenant_of(self, namespace: str) -> str | None:
        """Whose namespace this is."""
        mapped = self.tenants.get(namespace)
        return self.tenant if mapped is None and namespace == self.namespace else mapped

    def namespace_of(self, tenant: str) -> str:
        """Where a tenant's sessions are written."""
        own = (name for name, owner in self.tenants.items() if owner == tenant)
        return next(own, self.namespace)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All that are watched."""
        return tuple(sorted({self.namespace, *self.tenants}))
