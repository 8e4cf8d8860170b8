"""The client's end of a session's WebSocket: comes back by itself and loses nothing.

What is sent has a client id and is sent again after a reconnect until it is acknowledged, which is
one event however often it arrives. What is received goes on where it ended, by seq and by the
offsets of previews.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from csp_controlplane.cli.connection import Gateway
from csp_controlplane.supervisor.errors import CommandError, ExitCode

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
GIVE_UP_S = 300.0
"""A gateway that stays away for so long ends the command."""

_FINAL = {
    4400: "The gateway did not understand this csp: are both of the same version?",
    4401: "You are signed out: the API key has expired or was revoked.",
    4404: "There is no such session, or it is not yours.",
    4409: "The session's log is shorter than what was shown here: start `csp chat --resume` again.",
    4410: "This session was deleted.",
}


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """What has been seen already."""

    seq: int
    previews: dict[str, int] = field(default_factory=dict)

    def query(self) -> str:
        pairs = [("after", str(self.seq))]
        pairs += [("preview", f"{event}:{offset}") for event, offset in self.previews.items()]
        return urlencode(pairs)


class Refused(Exception):
    """The gateway refused what was sent; the text is for a person."""


class SessionSocket:
    """Use `messages()` in one task; `send()` from any."""

    def __init__(
        self,
        gateway: Gateway,
        session_id: str,
        resume_point: Callable[[], ResumePoint],
        on_state: Callable[[str], None],
    ) -> None:
        self._gateway = gateway
        self._session = session_id
        self._resume_point = resume_point
        self._on_state = on_state
        self._connection: ClientConnection | None = None
        self._unanswered: dict[str, tuple[str, asyncio.Future[list[dict[str, Any]]]]] = {}

    async def send(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns what was committed: id, type and seq of each. Raises Refused."""
        client_id = str(uuid.uuid4())
        text = orjson.dumps({"type": "send", "client_id": client_id, "events": list(events)})
        answer: asyncio.Future[list[dict[str, Any]]] = asyncio.get_running_loop().create_future()
        self._unanswered[client_id] = (text.decode(), answer)
        try:
            await self._transmit(text.decode())
            return await answer
        finally:
            self._unanswered.pop(client_id, None)

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Everything the gateway says, across reconnects. Raises CommandError when it is over."""
        loop = asyncio.get_running_loop()
        delay, away_since = FIRST_DELAY_S, loop.time()
        while True:
            try:
                async with self._open() as connection:
                    self._connection = connection
                    for text, _ in list(self._unanswered.values()):
                        await connection.send(text)
                    async for raw in connection:
                        delay, away_since = FIRST_DELAY_S, loop.time()
                        message = orjson.loads(raw)
                        if not self._settle(message):
                            yield message
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 1006
                if code in _FINAL:
                    raise CommandError(_FINAL[code], ExitCode.REFUSED) from None
            except (OSError, InvalidHandshake, TimeoutError):
                pass
            finally:
                self._connection = None
            if loop.time() - away_since > GIVE_UP_S:
                raise CommandError(
                    f"The gateway at {self._gateway.url} has not answered for "
                    f"{GIVE_UP_S / 60:g} minutes. The session goes on without this command: "
                    f"come back with `csp chat --resume {self._session}`.",
                    ExitCode.NOT_RUNNING,
                )
            self._on_state(f"The connection is lost; trying again in {delay:g} s.")
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY_S)

    def _open(self) -> connect:
        query = self._resume_point().query()
        return connect(
            f"{self._gateway.socket_url}/api/v1/sessions/{self._session}/ws?{query}",
            additional_headers=self._gateway.headers,
            compression=None,
            max_size=64 * 1024 * 1024,
            open_timeout=10,
            close_timeout=2,
            proxy=None,
        )

    async def _transmit(self, text: str) -> None:
        """Now, or after the next connect: `messages()` sends what is unanswered."""
        if self._connection is not None:
            try:
                await self._connection.send(text)
            except ConnectionClosed:
                self._on_state("The connection is lost; what you sent is sent again.")

    def _settle(self, message: dict[str, Any]) -> bool:
        """Hands an acknowledgement or refusal to its sender; True when it was one."""
        waiting = self._unanswered.get(str(message.get("client_id")))
        if waiting is None or message.get("type") not in ("ack", "error"):
            return False
        future = waiting[1]
        if not future.done():
            if message["type"] == "ack":
                future.set_result(message["data"])
            else:
                future.set_exception(Refused(message["error"]["message"]))
        return True
