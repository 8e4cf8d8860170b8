"""The HTTP application of the model proxy: what it serves, and the lives of its tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase

import orjson
import structlog
from prometheus_client import generate_latest
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from csp_controlplane.domain.events import EventFactory
from csp_controlplane.domain.ids import new_id
from csp_controlplane.proxy import refusals
from csp_controlplane.proxy.accounts import Accounts
from csp_controlplane.proxy.breaker import BreakerRules
from csp_controlplane.proxy.calls import authenticate
from csp_controlplane.proxy.guard import Guard
from csp_controlplane.proxy.headers import to_client
from csp_controlplane.proxy.ledger import Ledger
from csp_controlplane.proxy.metrics import OTHER_MODEL, ProxyMetrics
from csp_controlplane.proxy.prices import PriceTable
from csp_controlplane.proxy.refusals import Refusal, refuse
from csp_controlplane.proxy.relay import Parts, Relay
from csp_controlplane.proxy.settings import ProxySettings
from csp_controlplane.proxy.settling import SessionUsage, Settler
from csp_controlplane.proxy.sweeping import Sweeper
from csp_controlplane.proxy.upstream import ProviderSilent, ProviderUnreachable, Upstream
from csp_controlplane.store.database import Database

log = structlog.get_logger(__name__)

_DRAIN_S = 5.0
_MAX_MODELS_BYTES = 4 * 1024 * 1024


class Proxy:
    """Everything that one proxy process is made of."""

    def __init__(self, settings: ProxySettings, db: Database, redis: Redis | None) -> None:
        prices = PriceTable.load()
        metrics = ProxyMetrics([*prices.prices, OTHER_MODEL])
        ledger = Ledger(db)
        events = EventFactory(now=lambda: datetime.now(UTC), new_id=new_id)
        usage = SessionUsage(ledger, redis, events)
        rules = BreakerRules(
            settings.breaker_failures,
            settings.breaker_window_seconds,
            settings.breaker_open_seconds,
        )
        self._settings = settings
        self._sweeper = Sweeper(ledger, usage, metrics, settings.reservation_minutes * 60)
        self._parts = Parts(
            settings=settings,
            accounts=Accounts(ledger, settings, time.monotonic, new_id),
            settler=Settler(ledger, usage, metrics, settings.unsettled_queue),
            guard=Guard(rules, settings.upstream_url, redis, metrics, time.time),
            upstream=Upstream(settings),
            prices=prices,
            metrics=metrics,
            clock=time.perf_counter,
        )
        self._relay = Relay(self._parts, charged=True)

    def application(self) -> Starlette:
        """The ASGI application. Its lifespan owns the tasks."""
        free = Relay(self._parts, charged=False)
        return Starlette(
            routes=[
                Route("/v1/messages", self._relay, methods=["POST"]),
                Route("/v1/messages/count_tokens", free, methods=["POST"]),
                Route("/v1/models", self.models, methods=["GET"]),
                Route("/health/live", self.live, methods=["GET"]),
                Route("/health/ready", self.ready, methods=["GET"]),
            ],
            exception_handlers={Refusal: refuse, HTTPException: _not_served},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        parts = self._parts
        tasks = [
            asyncio.create_task(parts.settler.run(), name="proxy-settler"),
            asyncio.create_task(parts.guard.run(), name="proxy-breaker"),
            asyncio.create_task(
                self._sweeper.run(self._settings.sweep_seconds), name="proxy-sweeper"
            ),
        ]
        for task in tasks:
            task.add_done_callback(_report_death)
        try:
            yield
        finally:
            await self._settle_all()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await parts.upstream.close()

    async def _settle_all(self) -> None:
        """Requests that the server has just cancelled still say what they cost."""
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self._relay.wait_idle()
        except TimeoutError:
            log.warning("requests_did_not_end")
        await self._parts.settler.drain(_DRAIN_S)

    async def models(self, request: Request) -> Response:
        """The provider's models, without those that sessions may not use."""
        parts = self._parts
        await parts.accounts.check(authenticate(request))
        query = request.scope["query_string"].decode("latin-1")
        headers = request.scope["headers"]
        try:
            async with parts.upstream.call("GET", "/v1/models", query, headers, None) as answer:
                raw = await answer.content.read(_MAX_MODELS_BYTES)
                while not answer.content.at_eof() and len(raw) < _MAX_MODELS_BYTES:
                    raw += await answer.content.read(_MAX_MODELS_BYTES)
        except ProviderUnreachable as error:
            raise refusals.unreachable(parts.upstream.host) from error
        except ProviderSilent as error:
            raise refusals.silent(parts.upstream.host, self._settings.silence_seconds) from error
        if answer.status == 401:
            raise refusals.key_refused()
        response = Response(self._allowed(raw) if answer.status == 200 else raw, answer.status)
        response.raw_headers.extend(to_client(answer.raw_headers))
        return response

    def _allowed(self, raw: bytes) -> bytes:
        try:
            page = orjson.loads(raw)
            page["data"] = [
                model
                for model in page["data"]
                if any(fnmatchcase(model["id"], pattern) for pattern in self._settings.models)
            ]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise Refusal(502, "api_error", "The provider's list of models is unreadable.") from (
                error
            )
        return orjson.dumps(page)

    async def live(self, _request: Request) -> Response:
        return Response(b"ok\n", media_type="text/plain")

    async def ready(self, _request: Request) -> Response:
        """Ready means that money can be counted; a missing key is the provider's business."""
        away = self._parts.accounts.away
        body = {"database": "away" if away else "ok", "upstream": self._parts.upstream.host}
        return Response(orjson.dumps(body), 503 if away else 200, media_type="application/json")

    async def metrics_text(self) -> bytes:
        return generate_latest(self._parts.metrics.registry)


async def _not_served(request: Request, _error: Exception) -> Response:
    return refusals.not_served(request.url.path).response()


def _report_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("task_died", task=task.get_name(), exc_info=task.exception())
