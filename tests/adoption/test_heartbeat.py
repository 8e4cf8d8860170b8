"""Gateways say that they are there."""

from __future__ import annotations

from collections.abc import Callable

from support.kube import Kube, Object
from support.planes import Planes


def renewed_after(before: str) -> Callable[[Object], bool]:
    return lambda lease: (lease.get("spec") or {}).get("renewTime", "") > before


async def test_each_gateway_renews_one_lease(planes: Planes, kube: Kube) -> None:
    await planes.start("a", {"heartbeat_seconds": 0.2})
    first: Object = await kube.until("leases", "csp-gateway", renewed_after(""))
    await planes.start("b", {"heartbeat_seconds": 0.2})
    await kube.until("leases", "csp-gateway", renewed_after(first["spec"]["renewTime"]))
