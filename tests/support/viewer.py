"""One client of one session over the WebSocket: connects, speaks, waits for what it is shown."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from support.shown import Event, Shown
from support.waiting import wait_until

__all__ = ["Event", "Viewer", "text_message"]

T = TypeVar("T")

_DEADLINE = 30.0
_TRY_AGAIN_S = 0.1


def text_message(text: str) -> Event:
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


class Viewer(Shown):
    """Open it with `connect`, or use it as a context manager."""

    def __init__(self, url: str, session_id: str, headers: Mapping[str, str]) -> None:
        super().__init__()
        self.url = url
        self.session_id = session_id
        self.headers = dict(headers)
        self.closed: tuple[int, str] | None = None
        """Code and reason of the last connection's end; None while it is open."""
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()

    # ---- the connection

    async def connect(self, *, after: int | None = None, deadline: float = _DEADLINE) -> Self:
        """Connects with what it has, as often as it takes; returns when it has caught up."""
        await self._drop()
        await wait_until(
            lambda: self._connect_once(after), deadline, f"{self.url} letting us in", _TRY_AGAIN_S
        )
        return self

    async def _connect_once(self, after: int | None) -> bool:
        try:
            socket = await connect(
                self._address(after), additional_headers=self.headers, proxy=None, max_size=None,
                open_timeout=10, ping_interval=None,
            )  # fmt: skip
        except (OSError, InvalidHandshake, TimeoutError):
            return False
        self._socket, self.closed, self._caught_up = socket, None, False
        self._reader = asyncio.create_task(self._read(socket), name="viewer")
        async with self._changed:
            await self._changed.wait_for(lambda: self._caught_up or self.closed is not None)
        self._raise_problem()
        # Refused for good is an answer; a gateway that cannot yet serve is not.
        return self._caught_up or (self.closed is not None and self.closed[0] in range(4400, 4500))

    def _address(self, after: int | None) -> str:
        query = f"after={self.seq if after is None else after}"
        for event_id, text in self.open.items():
            query += f"&preview={event_id}:{len(text)}"
        base = self.url.replace("http://", "ws://", 1)
        return f"{base}/api/v1/sessions/{self.session_id}/ws?{query}"

    async def gone(self, deadline: float = _DEADLINE) -> tuple[int, str]:
        """Waits for the connection's end; its code and reason."""
        await self.until(lambda: self.closed is not None, "the connection having ended", deadline)
        assert self.closed is not None
        return self.closed

    async def close(self) -> None:
        await self._drop()
        self._raise_problem()

    async def _drop(self) -> None:
        if self._socket is not None:
            with suppress(ConnectionClosed, TimeoutError):
                async with asyncio.timeout(5):
                    await self._socket.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(self, *_: object) -> None:
        await self._drop()

    # ---- what it says

    async def post(self, *events: Event, client_id: str | None = None) -> str:
        """Sends events without waiting; the client id under which they are acknowledged.

        Into a connection that is ending, they are lost.
        """
        client_id = client_id or f"viewer-{secrets.token_hex(8)}"
        body = {"type": "send", "client_id": client_id, "events": list(events)}
        assert self._socket is not None
        with suppress(ConnectionClosed):
            await self._socket.send(json.dumps(body))
        return client_id

    async def raw(self, message: str | bytes) -> None:
        """Sends anything."""
        assert self._socket is not None
        await self._socket.send(message)

    async def send(self, *events: Event, client_id: str | None = None) -> Event:
        """Sends events and waits for the acknowledgement; the first of them as it was logged."""
        sent = await self.post(*events, client_id=client_id)
        return (await self.ack(sent))[0]

    async def say(self, text: str, client_id: str | None = None) -> Event:
        return await self.send(text_message(text), client_id=client_id)

    async def ack(self, client_id: str, deadline: float = _DEADLINE) -> list[Event]:
        """The acknowledgement of a sending. A refusal fails at once."""

        def answered() -> list[Event] | None:
            for error in self.errors:
                assert error.get("client_id") != client_id, error
            return self.acks.get(client_id)

        return await self.until(answered, f"the acknowledgement of {client_id}", deadline)

    async def answered(self, client_id: str, deadline: float = _DEADLINE) -> None:
        """Returns at the acknowledgement, the refusal, or the connection's end."""

        def seen() -> bool:
            refused = any(error.get("client_id") == client_id for error in self.errors)
            return refused or client_id in self.acks or self.closed is not None

        await self.until(seen, f"an answer to {client_id}", deadline)

    async def refusal(self, client_id: str, deadline: float = _DEADLINE) -> Event:
        """The error that answers a sending."""

        def answered() -> Event | None:
            assert client_id not in self.acks, self.acks[client_id]
            return next((e["error"] for e in self.errors if e.get("client_id") == client_id), None)

        return await self.until(answered, f"the refusal of {client_id}", deadline)

    async def answer(self, tool_use: Event, result: str = "allow", **fields: Any) -> Event:
        """Allows or denies a tool use."""
        confirmation = {"type": "user.tool_confirmation", "tool_use_id": tool_use["id"]}
        return await self.send({**confirmation, "result": result, **fields})

    # ---- what it waits for

    async def until(
        self, seen: Callable[[], T | None], what: str, deadline: float = _DEADLINE
    ) -> T:
        """The first truthy value of `seen`, looked at after every message."""
        try:
            async with asyncio.timeout(deadline), self._changed:
                while True:
                    self._raise_problem()
                    if value := seen():
                        return value
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"{what} was not shown within {deadline:g} s; shown: {self.types()}, "
                f"open: { {i: len(t) for i, t in self.open.items()} }, closed: {self.closed}, "
                f"errors: {self.errors}"
            ) from None

    async def fact(
        self, type_: str, *, after: int = 0, deadline: float = _DEADLINE, **fields: Any
    ) -> Event:
        """The first fact of this type beyond seq `after` with these fields."""

        def found() -> Event | None:
            for event in self.facts[after:]:
                if event["type"] == type_ and fields.items() <= event.items():
                    return event
            return None

        return await self.until(found, f"{type_} with {fields} beyond {after}", deadline)

    async def turn_end(self, message: Event, deadline: float = _DEADLINE) -> Event:
        """The end of the turn that a message began."""

        def found() -> Event | None:
            for event in self.facts:
                if event["type"] == "span.turn_end" and message["id"] in event["message_ids"]:
                    return event
            return None

        return await self.until(found, f"the end of the turn of {message['id']}", deadline)

    async def turn(self, text: str, deadline: float = _DEADLINE) -> Event:
        """Says something and waits for the end of the turn."""
        return await self.turn_end(await self.say(text), deadline)

    async def partial(self, length: int, deadline: float = _DEADLINE) -> str:
        """The id of an event of whose text at least `length` bytes have been shown."""

        def found() -> str | None:
            return next((i for i, text in self.open.items() if len(text) >= length), None)

        return await self.until(found, f"{length} bytes of a text", deadline)

    # ---- what comes in

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for message in socket:
                self._take(json.loads(message))
                async with self._changed:
                    self._changed.notify_all()
        except ConnectionClosed:
            pass
        except (AssertionError, KeyError, ValueError) as error:
            self._problem = error
        finally:
            self.closed = (socket.close_code or 1006, socket.close_reason or "")
            async with self._changed:
                self._changed.notify_all()
