"""Where the API server is and who asks: the service account of the pod, or a kubeconfig.

The tokens of service accounts are replaced on disk every hour or so; they are read again each
minute and whenever the server says 401.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import aiohttp
import kopf

REREAD_S = 60.0
_MANY = 100
_KEEP_S = 60.0
"""How long an idle connection is kept; API servers keep it longer, and a new one costs as much as
a write."""


def login(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """Credentials for kopf and for our own client. Raises kopf.LoginError when there are none."""
    found = (
        kopf.login_with_kubeconfig(settings=settings)
        if os.environ.get("KUBECONFIG")
        else kopf.login_with_service_account(settings=settings)
        or kopf.login_with_kubeconfig(settings=settings)
    )
    if found is None:
        raise kopf.LoginError("There is neither a service account nor a kubeconfig.")
    return found


class Connection:
    """An HTTP session and the headers that authenticate it."""

    def __init__(
        self, load: Callable[[], kopf.ConnectionInfo], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._clock = clock
        self._info = load()
        self._read_at = clock()
        self.server = self._info.server.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """Opened on first use, inside the loop that uses it."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=_MANY, ssl=self._info.as_ssl_context(), keepalive_timeout=_KEEP_S
            )
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session

    def headers(self) -> dict[str, str]:
        if self._clock() - self._read_at > REREAD_S:
            self.renew()
        return self._info.as_http_headers()

    def renew(self) -> None:
        """Reads the credentials again."""
        self._info = self._load()
        self._read_at = self._clock()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
