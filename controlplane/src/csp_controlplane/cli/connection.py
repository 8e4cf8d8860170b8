"""How a command reaches a gateway: the address and a key.

CSP_URL and CSP_API_KEY name any gateway. Without them it is the running local installation, whose
data directory is proof enough for a key of its own; that key ends with the command.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from csp_controlplane.cli.instance import running
from csp_controlplane.supervisor.access import owner_key
from csp_controlplane.supervisor.errors import CommandError, ExitCode

KEY_LIFETIME = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway and the right to use it."""

    url: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.key}

    @property
    def socket_url(self) -> str:
        """The same with ws or wss."""
        return "ws" + self.url.removeprefix("http")

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """One request under /api/v1; the answer's JSON. Raises CommandError in words."""
        try:
            async with httpx.AsyncClient(
                base_url=f"{self.url}/api/v1", headers=self.headers, timeout=30, trust_env=False
            ) as client:
                answer = await client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise CommandError(
                f"The gateway at {self.url} does not answer ({type(error).__name__}): is it "
                "running, and CSP_URL right?",
                ExitCode.NOT_RUNNING,
            ) from error
        if answer.status_code >= 400:
            raise CommandError(_refusal(answer), ExitCode.REFUSED)
        return answer.json() if answer.content else None

    @asynccontextmanager
    async def stream(self, method: str, path: str, **options: Any) -> AsyncIterator[httpx.Response]:
        """An answer that is read piece by piece, however large. Raises CommandError in words."""
        try:
            async with (
                httpx.AsyncClient(
                    base_url=f"{self.url}/api/v1", headers=self.headers, timeout=300,
                    trust_env=False,
                ) as client,
                client.stream(method, path, **options) as answer,
            ):  # fmt: skip
                if answer.status_code >= 400:
                    await answer.aread()
                    raise CommandError(_refusal(answer), ExitCode.REFUSED)
                yield answer
        except httpx.HTTPError as error:
            raise CommandError(
                f"The gateway at {self.url} did not finish its answer ({type(error).__name__}): "
                "try again.",
                ExitCode.NOT_RUNNING,
            ) from error


def _refusal(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"The gateway answered {answer.status_code}: {answer.text[:200]}"


@asynccontextmanager
async def gateway(purpose: str) -> AsyncIterator[Gateway]:
    """The gateway that this command talks to. `purpose` names a key made for it."""
    key, url = os.environ.get("CSP_API_KEY"), os.environ.get("CSP_URL")
    if key:
        yield Gateway((url or running().url).rstrip("/"), key)
        return
    if url:
        raise CommandError(
            "CSP_URL is set and CSP_API_KEY is not: make a key on the page and set it, or unset "
            "CSP_URL to use the csp that runs on this machine.",
            ExitCode.REFUSED,
        )
    instance = running()
    async with owner_key(instance.database_url, purpose, KEY_LIFETIME) as made:
        yield Gateway(instance.url, made)
