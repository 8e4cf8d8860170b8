"""The receiving end: counts events and notes how old they are, for WebSockets and bare sockets.

As little as a client can do, so that what is measured is the gateway and not the library that reads
from it: frames of a server are not masked, events are counted by their mark, nothing is parsed.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from bench.events import CREDIT, MARK, SIZE, stamps

_TEXT, _CLOSE, _PING = 1, 8, 9
_CAUGHT_UP = b'{"type":"caught_up"'
LOOPBACK = "127.0.0.1"
RECEIVE_BUFFER = 4 * 1024 * 1024


class Tally:
    """What arrived at any number of clients since the last `reset`."""

    def __init__(self) -> None:
        self.events = 0
        self.ages_ns: list[int] = []
        self.timed = False
        self._wanted = 0
        self._enough = asyncio.Event()

    def reset(self, *, timed: bool = False) -> None:
        self.events, self.ages_ns, self.timed = 0, [], timed
        self._wanted = 0
        self._enough.clear()

    async def until(self, events: int, deadline: float) -> None:
        """Until so many have arrived. Raises TimeoutError with how many did."""
        if self.events >= events:
            return
        self._wanted = events
        try:
            async with asyncio.timeout(deadline):
                await self._enough.wait()
        except TimeoutError:
            raise TimeoutError(f"{self.events} of {events} events in {deadline:g} s") from None

    def take(self, payload: bytes) -> None:
        self.events += payload.count(MARK)
        if self.timed:
            now = time.monotonic_ns()
            self.ages_ns += [now - born for born in stamps(payload)]
        if self._wanted and self.events >= self._wanted:
            self._enough.set()


class BareClient(asyncio.Protocol):
    """A client of the bare relay. Says each time that it has read CREDIT events.

    Without that a flood of tiny packets overruns the kernel's receive buffer, and what would be
    measured is how TCP repeats what it dropped.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._bytes = 0
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._tally.take(data)
        self._bytes += len(data)
        credits, self._bytes = divmod(self._bytes, CREDIT * SIZE)
        if credits:
            self.transport.write(b"." * credits)

    def close(self) -> None:
        self.transport.close()


class SocketClosed(Exception):
    """The gateway ended a WebSocket that a measurement still needed."""


class SocketClient(asyncio.Protocol):
    """A client of a session's WebSocket. `caught_up` is set when the replay is through."""

    def __init__(self, tally: Tally, request: bytes) -> None:
        self._tally = tally
        self._request = request
        self._buffer = bytearray()
        self._open = False
        self._on_text: Callable[[bytes], None] | None = None
        self.transport: asyncio.Transport | None = None
        self.caught_up: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Resolves to the monotonic clock's nanoseconds at that moment."""
        self.closed: str | None = None
        self.bytes = 0

    def on_text(self, callback: Callable[[bytes], None] | None) -> None:
        """Also hands every text message on."""
        self._on_text = callback

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        self._buffer += data
        if not self._open and not self._handshake():
            return
        while self._frame():
            pass

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = self.closed or f"connection lost: {error}"
        if not self.caught_up.done():
            self.caught_up.set_exception(SocketClosed(self.closed))
            self.caught_up.exception()  # whoever waits sees it; nobody need wait

    def send(self, text: bytes) -> None:
        """A text message, masked with zeros as the protocol allows for a test's client."""
        size = len(text)
        head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
        assert self.transport is not None
        self.transport.write(head + b"\0\0\0\0" + text)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def _handshake(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            self.closed = head.decode("latin-1")
            self.close()
            return False
        self._open = True
        return True

    def _frame(self) -> bool:
        """Handles one whole frame. False: there is none yet."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        size, begin = buffer[1], 2
        if size == 126:
            begin = 4
            size = int.from_bytes(buffer[2:4], "big")
        elif size == 127:
            begin = 10
            size = int.from_bytes(buffer[2:10], "big")
        end = begin + size
        if len(buffer) < begin or len(buffer) < end:
            return False
        opcode, payload = buffer[0] & 15, bytes(buffer[begin:end])
        del buffer[:end]
        self._message(opcode, payload)
        return True

    def _message(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING and self.transport is not None:
            # A ping's payload is at most 125 bytes and wants to be seen again.
            self.transport.write(bytes([0x8A, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
        elif opcode == _CLOSE:
            self.closed = f"{int.from_bytes(payload[:2], 'big')} {payload[2:].decode()}"
        elif opcode == _TEXT:
            if payload.startswith(_CAUGHT_UP) and not self.caught_up.done():
                self.caught_up.set_result(time.monotonic_ns())
            self._tally.take(payload)
            if self._on_text is not None:
                self._on_text(payload)


def upgrade(path: str, headers: dict[str, str]) -> bytes:
    """The request that opens a WebSocket."""
    lines = {
        "Host": LOOPBACK,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()


async def open_bare(tally: Tally, port: int) -> BareClient:
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: BareClient(tally), sock=await _connected(port))
    return client


async def open_socket(
    tally: Tally, port: int, path: str, headers: dict[str, str], host: str = LOOPBACK
) -> SocketClient:
    """Connected; await `caught_up` for more. Raises OSError when nobody listens."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: SocketClient(tally, upgrade(path, headers)), sock=await _connected(port, host)
    )
    return client


async def _connected(port: int, host: str = LOOPBACK) -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)
    # Room for packets of one event each: the kernel counts several times their size.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    await asyncio.get_running_loop().sock_connect(connection, (host, port))
    return connection
