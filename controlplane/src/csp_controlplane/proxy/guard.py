"""The circuit breaker of the provider, shared by all proxies through Redis while it is there.

Requests decide on local state alone, so that Redis is never waited for on the way to the first
token; one task carries failures to Redis and the common state back. Without Redis each proxy
decides for itself. What Redis forgets costs a few more failures, nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from csp_controlplane.proxy import refusals
from csp_controlplane.proxy.breaker import Breaker, BreakerRules, BreakerState
from csp_controlplane.proxy.metrics import ProxyMetrics

log = structlog.get_logger(__name__)

_POLL_S = 0.5
_REDIS_S = 0.5
_MOST_WAITING = 1000
_KEEP_OPEN_S = 300

Report = Literal["failed", "closed", "probe_ended"]


@dataclass(frozen=True, slots=True)
class Pass:
    """Permission for one request."""

    probe: bool


class Guard:
    """`now` must be wall clock time, which proxies share."""

    def __init__(
        self,
        rules: BreakerRules,
        upstream: str,
        redis: Redis | None,
        metrics: ProxyMetrics,
        now: Callable[[], float],
    ) -> None:
        self._breaker = Breaker(rules)
        self._rules = rules
        self._redis = redis
        self._metrics = metrics
        self._now = now
        self._reports: asyncio.Queue[Report] = asyncio.Queue(_MOST_WAITING)
        self._known_shared = False  # the open state is also in Redis
        self._redis_is_back = True
        name = hashlib.sha256(upstream.encode()).hexdigest()[:16]
        self._failures_key = f"csp:breaker:{name}:failures"
        self._open_key = f"csp:breaker:{name}:open"
        self._probe_key = f"csp:breaker:{name}:probe"

    def check(self) -> None:
        """Raises Refusal while the breaker is open."""
        if self._breaker.state(self._now()) is BreakerState.OPEN:
            raise refusals.held_back(self._breaker.wait_s(self._now()))

    async def enter(self) -> Pass:
        """Permission to call the provider. Raises Refusal when there is none."""
        self.check()
        if self._breaker.state(self._now()) is BreakerState.CLOSED:
            return Pass(probe=False)
        if not self._breaker.probe(self._now()) or not await self._first_to_probe():
            raise refusals.held_back(self._breaker.wait_s(self._now()))
        log.info("provider_probed")
        return Pass(probe=True)

    def succeeded(self, granted: Pass) -> None:
        """The provider answered, be it with an error of the request's own."""
        if granted.probe:
            self._breaker.close()
            self._report("closed")
            log.info("breaker_closed")
        self._show()

    def failed(self, granted: Pass) -> None:
        if granted.probe:
            self._report("probe_ended")
        if self._breaker.failed(self._now()):
            log.warning("breaker_opened", seconds=self._rules.open_s)
        self._report("failed")
        self._show()

    def gave_up(self, granted: Pass) -> None:
        """The request ended before the provider said anything."""
        if granted.probe:
            self._breaker.give_up_probe()
            self._report("probe_ended")

    async def run(self) -> None:
        """Keeps the common state. Until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_POLL_S):
                    report: Report | None = await self._reports.get()
            except TimeoutError:
                report = None
            await self._with_redis(partial(self._exchange, report))
            self._show()

    def _report(self, report: Report) -> None:
        try:
            self._reports.put_nowait(report)
        except asyncio.QueueFull:
            log.debug("breaker_report_dropped")

    async def _first_to_probe(self) -> bool:
        async def claim(redis: Redis) -> bool:
            milliseconds = int(self._rules.probe_s * 1000)
            return bool(await redis.set(self._probe_key, "1", nx=True, px=milliseconds))

        claimed = await self._with_redis(claim) if self._redis is not None else True
        return claimed is not False

    async def _with_redis(self, use: Callable[[Redis], Awaitable[Any]]) -> Any:
        """The result, or None when Redis is away."""
        if self._redis is None:
            return None
        try:
            async with asyncio.timeout(_REDIS_S):
                result = await use(self._redis)
        except (RedisError, OSError, TimeoutError) as error:
            if self._redis_is_back:
                log.warning("breaker_state_is_local", error=str(error))
            self._redis_is_back = False
            return None
        self._redis_is_back = True
        return result

    async def _exchange(self, report: Report | None, redis: Redis) -> None:
        if report == "failed":
            await self._share_failure(redis)
        elif report == "closed":
            await redis.delete(self._open_key, self._failures_key, self._probe_key)
            self._known_shared = False
        elif report == "probe_ended":
            await redis.delete(self._probe_key)
        value = await redis.get(self._open_key)
        if self._reports.empty():  # else what was read is older than what is still to be told
            self._adopt(value)

    async def _share_failure(self, redis: Redis) -> None:
        now = self._now()
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.zadd(self._failures_key, {secrets.token_hex(8): now})
            pipeline.zremrangebyscore(self._failures_key, 0, now - self._rules.window_s)
            pipeline.zcard(self._failures_key)
            pipeline.pexpire(self._failures_key, int(self._rules.window_s * 1000))
            _, _, count, _ = await pipeline.execute()
        if count >= self._rules.failures and self._breaker.opened_until is None:
            self._breaker.open(now)
            log.warning("breaker_opened", seconds=self._rules.open_s, together=True)
        if self._breaker.opened_until is not None:
            await redis.set(self._open_key, repr(self._breaker.opened_until), ex=_KEEP_OPEN_S)
            self._known_shared = True

    def _adopt(self, value: bytes | str | None) -> None:
        if value is not None:
            self._breaker.opened_until = float(value)
            self._known_shared = True
        elif self._known_shared:
            # Another proxy's probe went well, or Redis forgot: both mean trying again.
            self._breaker.close()
            self._known_shared = False

    def _show(self) -> None:
        self._metrics.breaker.set(int(self._breaker.state(self._now())))
