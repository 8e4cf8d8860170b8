"""What the health endpoints say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from csp_controlplane.gateway.schemas.common import Answer

CheckState = Literal["ok", "degraded", "unavailable"]


class Check(Answer):
    """One thing that the gateway needs."""

    state: CheckState
    message: str = Field(description="A sentence for a person.")


class Health(Answer):
    """The worst of its checks."""

    status: CheckState
    checks: dict[str, Check]
