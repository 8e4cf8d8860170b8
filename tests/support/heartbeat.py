"""The Lease that gateways renew, as the operator sees it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Self

import aiohttp

from support.kube import Kube, Refused

NAME = "csp-gateway"
_EVERY_S = 0.5


class Heartbeat:
    """Renews the Lease until the context ends. An async context manager."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def __aenter__(self) -> Self:
        await self._kube.create("leases", {"metadata": {"name": NAME}, "spec": {}})
        self._task = asyncio.create_task(self._run(), name="heartbeat")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            with suppress(Refused, aiohttp.ClientError):
                await self._kube.merge("leases", NAME, {"spec": {"renewTime": now}})
            await asyncio.sleep(_EVERY_S)
