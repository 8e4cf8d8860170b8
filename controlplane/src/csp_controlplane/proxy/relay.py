"""Passes one request on and its answer back, and says in the end what it did cost.

A plain ASGI application rather than an endpoint with a response object: it sends each piece the
moment it arrives, notices at once when the worker leaves, and can break an answer off, which is how
a cut of the provider's reaches the CLI as a cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from csp_controlplane.correlation import is_traceparent
from csp_controlplane.proxy import refusals
from csp_controlplane.proxy.accounts import Accounts
from csp_controlplane.proxy.calls import Call, authenticate, declared_size, read_call
from csp_controlplane.proxy.guard import Guard, Pass
from csp_controlplane.proxy.headers import to_client
from csp_controlplane.proxy.ledger import Payer, Reservation, Settlement
from csp_controlplane.proxy.metrics import Outcome, ProxyMetrics
from csp_controlplane.proxy.prices import PriceTable
from csp_controlplane.proxy.refusals import Refusal
from csp_controlplane.proxy.settings import ProxySettings
from csp_controlplane.proxy.settling import Settler
from csp_controlplane.proxy.upstream import ProviderSilent, ProviderUnreachable, Upstream
from csp_controlplane.proxy.usage import Meter

log = structlog.get_logger(__name__)

_OVERLOADED = 529
_LARGE = 1024 * 1024
_MOST_MENTIONED = 100


@dataclass(frozen=True, slots=True)
class Parts:
    """What a relay works with."""

    settings: ProxySettings
    accounts: Accounts
    settler: Settler
    guard: Guard
    upstream: Upstream
    prices: PriceTable
    metrics: ProxyMetrics
    clock: Callable[[], float]


class Relay:
    """The endpoint of the Messages API. `charged` is False for counting tokens, which is free."""

    def __init__(self, parts: Parts, *, charged: bool) -> None:
        self._parts = parts
        self._charged = charged
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._said: set[str] = set()

    async def wait_idle(self) -> None:
        """Until no request is being served, so that all of them have said what they cost."""
        await self._idle.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arrived = self._parts.clock()
        self._in_flight += 1
        self._idle.clear()
        try:
            exchange = await self._admit(Request(scope, receive), arrived)
        except Refusal as refusal:
            self._parts.metrics.requests.labels(_refused(refusal)).inc()
            await refusal.response()(scope, receive, send)
        except ClientDisconnect:
            self._parts.metrics.requests.labels("cancelled").inc()
        else:
            await _until_disconnected(exchange.run(scope, receive, send), receive)
        finally:
            self._in_flight -= 1
            if self._in_flight == 0:
                self._idle.set()

    async def _admit(self, request: Request, arrived: float) -> Exchange:
        """Reads, checks and reserves. Raises Refusal."""
        parts = self._parts
        if self._in_flight > parts.settings.max_in_flight:
            raise refusals.busy()
        if declared_size(request) > _LARGE:
            # Nobody without a handle gets to fill the memory.
            await parts.accounts.check(authenticate(request))
        call = await read_call(request, parts.settings)
        parts.guard.check()
        if not self._charged:
            await parts.accounts.check(call.handle)
            _name_lines(request, parts.accounts.payer(call.handle))
            return Exchange(parts, call, None, arrived)
        if not parts.settler.has_room(self._in_flight):
            raise refusals.database_away(parts.settings.offline_seconds)
        self._mention(call.model)
        maximum = parts.prices.maximum_microusd(call.model, len(call.body), call.max_tokens)
        reservation = await parts.accounts.reserve(call.handle, call.model, maximum)
        _name_lines(request, reservation.payer)
        return Exchange(parts, call, reservation, arrived)

    def _mention(self, model: str) -> None:
        """Says once of a model that its price is not known."""
        prices = self._parts.prices
        known = prices.find(model) is not None or model in self._said
        if known or len(self._said) >= _MOST_MENTIONED:
            return
        self._said.add(model)
        log.warning(
            "price_unknown: charged like the dearest model; update proxy/prices.json",
            model=model[:100],
            charged_like=prices.dearest.model,
        )


class Exchange:
    """One request that was admitted."""

    def __init__(
        self, parts: Parts, call: Call, reservation: Reservation | None, arrived: float
    ) -> None:
        self._parts = parts
        self._call = call
        self._reservation = reservation
        self._arrived = arrived
        self._meter = Meter(streamed=call.streamed)
        self._status: int | None = None
        self._outcome: Outcome = "cancelled"

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Settles however it ends, by cancellation too."""
        try:
            await self._pass_on(send)
        except Refusal as refusal:
            self._outcome = _refused(refusal) if self._outcome == "cancelled" else self._outcome
            await refusal.response()(scope, receive, send)
        finally:
            self._finish()

    async def _pass_on(self, send: Send) -> None:
        parts, call = self._parts, self._call
        granted = await parts.guard.enter()
        told = False
        try:
            parts.metrics.overhead.observe(parts.clock() - self._arrived)
            async with parts.upstream.call(
                "POST", call.path, call.query, call.headers, call.body
            ) as response:
                self._status = response.status
                self._judge(granted, response.status)
                told = True
                if response.status == 401:
                    log.error("provider_refused_the_key")
                    raise refusals.key_refused()
                await self._stream(response, send)
        except (ProviderUnreachable, ProviderSilent) as error:
            told = True
            parts.guard.failed(granted)
            self._outcome = "unreachable"
            log.warning("provider_unreachable", host=parts.upstream.host, error=str(error))
            if isinstance(error, ProviderSilent):
                raise refusals.silent(
                    parts.upstream.host, parts.settings.silence_seconds
                ) from error
            raise refusals.unreachable(parts.upstream.host) from error
        finally:
            if not told:
                parts.guard.gave_up(granted)

    def _judge(self, granted: Pass, status: int) -> None:
        if status >= 500:
            self._parts.guard.failed(granted)
        else:
            self._parts.guard.succeeded(granted)

    async def _stream(self, response: aiohttp.ClientResponse, send: Send) -> None:
        start = {
            "type": "http.response.start",
            "status": response.status,
            "headers": to_client(response.raw_headers),
        }
        await send(start)
        first = True
        try:
            async for data in response.content.iter_any():
                await send({"type": "http.response.body", "body": data, "more_body": True})
                if first:
                    first = False
                    self._parts.metrics.first_byte.observe(self._parts.clock() - self._arrived)
                if response.status == 200:
                    self._meter.feed(data)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # Without an end to the body the server closes the connection: the CLI sees a cut.
            self._outcome = "cut"
            log.warning("provider_cut_the_answer", error=f"{type(error).__name__}: {error}")
            return
        self._meter.end()
        self._outcome = _outcome(response.status)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _finish(self) -> None:
        parts = self._parts
        parts.metrics.requests.labels(self._outcome).inc()
        parts.metrics.duration.observe(parts.clock() - self._arrived)
        if self._reservation is None:
            return
        cost = self._cost_microusd()
        parts.metrics.cost.labels(parts.prices.label(self._call.model)).inc(cost / 1_000_000)
        parts.settler.add(
            Settlement(
                self._reservation, self._status, cost, self._meter.usage(), datetime.now(UTC)
            )
        )

    def _cost_microusd(self) -> int:
        call, prices = self._call, self._parts.prices
        if self._meter.started:
            return prices.cost_microusd(call.model, self._meter.usage())
        if self._status == 200 or (self._status is None and self._outcome == "cancelled"):
            # The provider was at work, and nothing of its answer was seen.
            return prices.input_microusd(call.model, len(call.body))
        return 0


def _name_lines(request: Request, payer: Payer | None) -> None:
    """Whose request the lines about it are of, and the trace that its worker was bound in."""
    trace = request.headers.get("traceparent", "")
    if is_traceparent(trace):
        structlog.contextvars.bind_contextvars(traceparent=trace)
    if payer is not None:
        structlog.contextvars.bind_contextvars(
            session_id=payer.session, user_id=payer.user, tenant=payer.tenant, epoch=payer.epoch
        )


async def _until_disconnected(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Cancels the work when the client leaves."""
    working = asyncio.create_task(work, name="proxy-exchange")
    leaving = asyncio.create_task(_disconnected(receive), name="proxy-disconnect")
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _outcome(status: int) -> Outcome:
    if status < 400:
        return "ok"
    if status == 429:
        return "rate_limited"
    if status < 500:
        return "client_error"
    return "overloaded" if status in (_OVERLOADED, 503) else "server_error"


def _refused(refusal: Refusal) -> Outcome:
    return "held_back" if refusal.status == _OVERLOADED else "refused"
