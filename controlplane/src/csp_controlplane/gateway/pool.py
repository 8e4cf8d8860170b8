"""What the runtime says of its spare workers: for readiness and for metrics."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, runtime_checkable

import structlog

from csp_controlplane.gateway.metrics import GatewayMetrics
from csp_controlplane.gateway.schemas.health import Check
from csp_controlplane.runtime.protocol import RuntimeUnavailable, SessionRuntime

log = structlog.get_logger(__name__)

CHECK_S = 2.0


@runtime_checkable
class HasPool(Protocol):
    """A runtime that keeps spares and can say how many.

    `answers` and `away` are sentences about whoever keeps them.
    """

    answers: str
    away: str

    async def pool(self) -> dict[str, Any]: ...


async def pool_check(runtime: SessionRuntime, metrics: GatewayMetrics) -> dict[str, Check]:
    """Checks named runtime and warm_spares. Sets the pool's metrics on the way."""
    if not isinstance(runtime, HasPool):
        return {}
    try:
        async with asyncio.timeout(CHECK_S):
            found = await runtime.pool()
    except (RuntimeUnavailable, TimeoutError):
        return {
            "runtime": Check(state="degraded", message=runtime.away),
            "warm_spares": Check(state="degraded", message="Unknown while the runtime is away."),
        }
    profiles: list[dict[str, Any]] = list(found.get("profiles", []))
    measure(found, profiles, metrics)
    return {
        "runtime": Check(state="ok", message=runtime.answers),
        "warm_spares": spares_check(profiles),
    }


def measure(found: dict[str, Any], profiles: list[dict[str, Any]], metrics: GatewayMetrics) -> None:
    """Puts one answer of the runtime into the gauges."""
    metrics.prewarm_pool_size.labels("warm").set(_sum(profiles, "warm"))
    metrics.prewarm_pool_size.labels("starting").set(_sum(profiles, "starting"))
    metrics.prewarm_pool_size.labels("failing").set(
        sum(1 for profile in profiles if profile.get("failing"))
    )
    for process, rss in dict(found.get("rss_bytes", {})).items():
        metrics.subprocess_rss.labels(process).set(rss)


def spares_check(profiles: list[dict[str, Any]]) -> Check:
    """How many spares are ready, in words."""
    warm, target = _sum(profiles, "warm"), _sum(profiles, "target")
    failing = next((profile for profile in profiles if profile.get("failing")), None)
    if failing is not None:
        reason = failing.get("last_error") or "no reason is known"
        return Check(
            state="degraded",
            message=f"{warm} of {target} spare workers are ready; refilling fails: {reason}",
        )
    return Check(state="ok", message=f"{warm} of {target} spare workers are ready.")


def _sum(profiles: list[dict[str, Any]], name: str) -> int:
    return sum(int(profile.get(name) or 0) for profile in profiles)
