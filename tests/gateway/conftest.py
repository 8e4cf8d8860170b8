"""One gateway process for all tests of this folder; each test has tenants of its own."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from csp_controlplane.store.database import Database
from support.gateway_process import GatewayProcess, Person, new_admin, new_member
from support.stack import Stack
from support.valkey import ValkeyServer

PAGE_SCRIPT = b"export {};\n" * 200


@pytest.fixture(scope="session")
def gateway_database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="session")
def page_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page as the build leaves it."""
    directory = tmp_path_factory.mktemp("page")
    (directory / "assets").mkdir()
    (directory / "index.html").write_text(
        "<!doctype html><title>csp</title><script>early()</script>"
    )
    script = directory / "assets" / "index-abc123.js"
    script.write_bytes(PAGE_SCRIPT)
    script.with_name("index-abc123.js.gz").write_bytes(gzip.compress(PAGE_SCRIPT))
    (directory / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return directory


@pytest.fixture(scope="session")
def gateway(
    gateway_database: str, valkey: ValkeyServer, page_directory: Path
) -> Iterator[GatewayProcess]:
    environment = {
        "CSP_STATIC_DIR": str(page_directory),
        "CSP_SCRIPTED_MODEL": "true",
        "CSP_GATEWAY_SIGN_IN_FAILURES": "3",
    }
    with GatewayProcess(gateway_database, valkey.url, environment) as process:
        yield process


@pytest.fixture
async def gateway_db(gateway_database: str, gateway: GatewayProcess) -> AsyncIterator[Database]:
    """The gateway's own database, as the application sees it."""
    database = await Database.connect(gateway_database, max_size=2, application="csp-test")
    yield database
    await database.close()


@pytest.fixture
async def admin(gateway_db: Database, gateway: GatewayProcess) -> Person:
    """The first user of a new tenant."""
    return await new_admin(gateway_db, gateway.url)


@pytest.fixture
async def member(gateway_db: Database, admin: Person) -> Person:
    """Another user of the same tenant."""
    return await new_member(gateway_db, admin)


@pytest.fixture
async def stranger(gateway_db: Database, gateway: GatewayProcess) -> Person:
    """The first user of another tenant."""
    return await new_admin(gateway_db, gateway.url)


@pytest.fixture
async def api(admin: Person) -> AsyncIterator[httpx.AsyncClient]:
    """The admin's client."""
    async with admin.client() as client:
        yield client


@pytest.fixture
async def stack_db(stack: Stack) -> AsyncIterator[Database]:
    database = await Database.connect(stack.instance.database_url, max_size=2)
    yield database
    await database.close()


@pytest.fixture
async def person(stack: Stack, stack_db: Database) -> Person:
    return await new_admin(stack_db, stack.url)


@pytest.fixture
async def client(person: Person) -> AsyncIterator[httpx.AsyncClient]:
    async with person.client() as client:
        yield client
        # A session keeps its worker: the next test gets the machine back.
        listed = await client.get("/sessions", params={"limit": 100, "include_archived": True})
        for session in listed.json()["data"]:
            await client.delete(f"/sessions/{session['id']}")
