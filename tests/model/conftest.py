"""The scripted model, and the proxy in front of it on real PostgreSQL and Valkey."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from anthropic import AsyncAnthropic

from csp_controlplane.store.database import Database
from support.models import BoundSession, ProxyServer, ScriptedServer, bind_session
from support.valkey import ValkeyServer


# One database for all tests of this folder: every test has sessions of its own, and a proxy that
# all of them share saves a start each.
@pytest.fixture(scope="session")
def database_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="session")
def redis_url(valkey: ValkeyServer) -> str:
    return valkey.url


@pytest.fixture(scope="session")
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer(slow_seconds="0.05", stall_seconds="20") as server:
        yield server


@pytest.fixture
async def client(scripted: ScriptedServer) -> AsyncIterator[AsyncAnthropic]:
    """Anthropic's own client, straight to the scripted model."""
    async with AsyncAnthropic(base_url=scripted.url, api_key="any", max_retries=0) as official:
        yield official


@pytest.fixture(scope="session")
def proxy(scripted: ScriptedServer, database_url: str, redis_url: str) -> Iterator[ProxyServer]:
    # The breaker has tests of its own; here it must not hold back one test for another's faults.
    with ProxyServer(scripted.url, database_url, redis_url, breaker_failures="1000") as server:
        yield server


@pytest.fixture
async def session(db: Database) -> BoundSession:
    return await bind_session(db)


@pytest.fixture
async def worker(proxy: ProxyServer, session: BoundSession) -> AsyncIterator[AsyncAnthropic]:
    """Anthropic's own client, as the session's worker uses the proxy."""
    async with AsyncAnthropic(
        base_url=proxy.url, api_key=session.handle, max_retries=0
    ) as official:
        yield official
