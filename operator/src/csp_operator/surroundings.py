"""Addresses that pods are given by name, from the Services, and the blueprints made with them."""

from __future__ import annotations

import asyncio

from csp_operator.api.client import KubeApi
from csp_operator.api.errors import NotFound
from csp_operator.api.resources import SERVICES
from csp_operator.podspec import Blueprint, Surroundings, blueprint
from csp_operator.settings import OperatorSettings
from csp_operator.views import PoolView

_FRESH_S = 30.0


class NoAddress(Exception):
    """A Service that pods need is not there; the text says which."""


class Blueprints:
    """The present blueprint of each pool. Addresses are read again every half minute, so that a
    Service with a new address reaches new pods soon; a claim never waits for that."""

    def __init__(self, api: KubeApi, settings: OperatorSettings) -> None:
        self._api = api
        self._settings = settings
        self._known: Surroundings | None = None
        self._read_at = 0.0
        self._lock = asyncio.Lock()
        self._made: dict[tuple[str, int], tuple[Surroundings, Blueprint]] = {}

    def known_hash(self, pool: PoolView) -> str | None:
        """Of the blueprint that was made last; None before the first."""
        made = self._made.get((pool.uid, pool.generation))
        return made[1].hash if made else None

    @property
    def addresses(self) -> frozenset[str] | None:
        """What pods must reach, as it was last read; None before that."""
        return self._known.addresses if self._known else None

    async def of(self, pool: PoolView) -> Blueprint:
        """Raises NoAddress, ApiError, and ValueError for a pool whose spec cannot be read."""
        if pool.spec is None:
            raise ValueError(f"the pool's spec cannot be read: {pool.invalid}")
        around = await self._surroundings()
        key = (pool.uid, pool.generation)
        made = self._made.get(key)
        if made is None or made[0] != around:
            made = (around, blueprint(pool.spec, around))
            for old in [known for known in self._made if known[0] == pool.uid]:
                del self._made[old]
            self._made[key] = made
        return made[1]

    async def _surroundings(self) -> Surroundings:
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if self._known is None or now - self._read_at > _FRESH_S:
                settings = self._settings
                egress = settings.egress_proxy_service
                self._known = Surroundings(
                    model_proxy=await self._address(settings.model_proxy_service),
                    egress_proxy=await self._address(egress) if egress else None,
                    keys_config_map=settings.worker_keys_config_map,
                )
                self._read_at = now
            return self._known

    async def _address(self, name: str) -> str:
        namespace = self._settings.services_namespace
        try:
            service = await self._api.get(SERVICES, namespace, name)
        except NotFound as error:
            raise NoAddress(f"There is no Service {name} in the namespace {namespace}.") from error
        address = service["spec"].get("clusterIP")
        if not address or address == "None":
            raise NoAddress(f"The Service {name} in the namespace {namespace} has no address.")
        return str(address)
