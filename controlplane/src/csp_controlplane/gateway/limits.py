"""Counting what is done too often: in Redis, so that all gateways count together.

Counting never decides whether the product works. Without Redis each gateway counts for itself, in
bounded memory.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import RateLimited

log = structlog.get_logger(__name__)

SIGN_IN_WINDOW_S = 900
WRITE_WINDOW_S = 60
_MAX_LOCAL = 10_000
REDIS_S = 0.5
REDIS_PAUSE_S = 5.0

_ADD = """
local n = redis.call('INCRBY', KEYS[1], ARGV[1])
if n == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return n
"""


class Counters:
    """Counters that forget themselves after their window."""

    def __init__(self, redis: Redis | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._script: Any = redis.register_script(_ADD) if redis is not None else None
        self._clock = clock
        self._local: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._redis_again = 0.0

    async def add(self, key: str, window_s: int, amount: int = 1) -> int:
        """Adds and returns the count of the current window; amount 0 only reads."""
        if self._script is not None and self._clock() >= self._redis_again:
            try:
                async with asyncio.timeout(REDIS_S):
                    return int(
                        await self._script(keys=[f"csp:count:{key}"], args=[amount, window_s])
                    )
            except (RedisError, OSError, TimeoutError) as error:
                # Do not make every request wait for a server that is away.
                self._redis_again = self._clock() + REDIS_PAUSE_S
                log.warning("counters_without_redis", error=str(error))
        return self._add_locally(key, window_s, amount)

    async def forget(self, key: str) -> None:
        """Starts the count again."""
        self._local.pop(key, None)
        if self._redis is not None and self._clock() >= self._redis_again:
            try:
                async with asyncio.timeout(REDIS_S):
                    await self._redis.delete(f"csp:count:{key}")
            except (RedisError, OSError, TimeoutError) as error:
                self._redis_again = self._clock() + REDIS_PAUSE_S
                log.warning("counters_without_redis", error=str(error))

    def _add_locally(self, key: str, window_s: int, amount: int) -> int:
        now = self._clock()
        end, count = self._local.pop(key, (0.0, 0))
        if end <= now:
            end, count = now + window_s, 0
        count += amount
        self._local[key] = (end, count)
        while len(self._local) > _MAX_LOCAL:
            self._local.popitem(last=False)
        return count


async def limit_writes(counters: Counters, who: Principal, per_minute: int) -> None:
    """One changing request more. Raises RateLimited."""
    if await counters.add(f"writes:{who.user_id}", WRITE_WINDOW_S) > per_minute:
        raise RateLimited(
            f"More than {per_minute} changes within a minute. Wait a minute and go on."
        )


class SignInThrottle:
    """Slows down guessing: per address and per network address."""

    def __init__(self, counters: Counters, failures: int) -> None:
        self._counters = counters
        self._failures = failures

    async def check(self, email: str, client: str) -> None:
        """Raises RateLimited when there were too many failures before this attempt."""
        by_email = await self._counters.add(_email(email), SIGN_IN_WINDOW_S, 0)
        by_client = await self._counters.add(f"signin:ip:{client}", SIGN_IN_WINDOW_S, 0)
        if by_email >= self._failures or by_client >= self._failures * 5:
            raise RateLimited(
                "Too many attempts to sign in. Wait 15 minutes, or use a one-time link."
            )

    async def failed(self, email: str, client: str) -> None:
        await self._counters.add(_email(email), SIGN_IN_WINDOW_S)
        await self._counters.add(f"signin:ip:{client}", SIGN_IN_WINDOW_S)

    async def succeeded(self, email: str) -> None:
        await self._counters.forget(_email(email))


def _email(email: str) -> str:
    return f"signin:email:{email.strip().lower()[:254].encode('utf-8', 'replace').hex()}"
