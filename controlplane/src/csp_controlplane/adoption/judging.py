"""Whether an AgentSession that somebody wrote becomes a session: judged purely, with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from csp_crds.session import AgentSessionSpec


@dataclass(frozen=True, slots=True)
class Refusal:
    """Condition Accepted=False: a reason for programs, a sentence for a person."""

    reason: str
    message: str


def parse(resource: dict[str, Any]) -> AgentSessionSpec | Refusal:
    """The spec, or why it is none. The API server has checked the schema, not the agent's rules."""
    try:
        return AgentSessionSpec.model_validate(resource.get("spec") or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return Refusal("InvalidSpec", f"spec.{place}: {first['msg']}")


def judge(
    spec: AgentSessionSpec, namespace: str, tenant: str | None, owner_found: bool
) -> Refusal | None:
    """None: it may become a session. `tenant` is the namespace's."""
    if tenant is None:
        return Refusal(
            "UnknownNamespace",
            f"The namespace {namespace} belongs to no tenant: an administrator maps it with "
            "CSP_KUBERNETES_TENANTS.",
        )
    if spec.tenant is not None and spec.tenant != tenant:
        return Refusal(
            "TenantMismatch",
            f"spec.tenant is {spec.tenant!r}, but the namespace {namespace} belongs to the tenant "
            f"{tenant!r}: leave spec.tenant out, or use the tenant's own namespace.",
        )
    if not owner_found:
        return Refusal(
            "UnknownOwner",
            f"spec.owner: the tenant {tenant!r} has no active user {spec.owner!r}, neither by id "
            "nor by e-mail address. This is looked at again every minute.",
        )
    return None


def budget_microusd(spec: AgentSessionSpec) -> int | None:
    """The budget in millionths of a US dollar."""
    if spec.budget is None:
        return None
    whole, _, fraction = spec.budget.usd.partition(".")
    return int(whole) * 1_000_000 + int((fraction + "000000")[:6])
