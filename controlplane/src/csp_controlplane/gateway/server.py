"""The HTTP server around the application: uvicorn with what the measurements asked for."""

from __future__ import annotations

import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from csp_controlplane.gateway.connection import WRITE_NOW
from csp_controlplane.gateway.settings import GatewaySettings

ABANDON_S = 30.0
"""What a client gets to read its close code."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """Tells readers that are too slow why they are closed, and forgets those that never read."""

    async def run_asgi(self) -> None:
        extensions: dict[str, object] = self.scope.setdefault("extensions", {})  # type: ignore[assignment]
        extensions[WRITE_NOW] = self.write_now
        await super().run_asgi()

    def write_now(self, text: str) -> bool:
        """Writes a message to a client that keeps up, without a step of the event loop."""
        ready = self.handshake_complete and self.writable.is_set()
        if not ready or self.disconnected or self.close_sent:
            return False
        try:
            self.conn.send_text(text.encode())
        except InvalidState:
            return False
        self.transport.write(b"".join(self.conn.data_to_send()))
        return True

    async def send(self, message: ASGISendEvent) -> None:
        """A close does not wait for room: it lines up behind the little that is unread."""
        if message["type"] == "websocket.close":
            self.writable.set()
            self.loop.call_later(ABANDON_S, self.transport.abort)
        await super().send(message)


class GatewayServer(uvicorn.Server):
    """Tells streams that the gateway stops, so that they end before the server waits for them."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends in order, with exit code 0; a second SIGINT ends at once."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        state = getattr(self.config.app.state, "gateway", None)  # type: ignore[union-attr]
        if state is not None:
            state.closing.set()
        await super().shutdown(sockets)


def build_server(app: FastAPI, settings: GatewaySettings) -> GatewayServer:
    """A server that ends by itself, in order, on SIGTERM and SIGINT."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws=SocketProtocol,
        # Compression costs several times the CPU and memory of what it saves here.
        ws_per_message_deflate=False,
        ws_max_size=settings.message_bytes,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        timeout_keep_alive=75,
    )
    return GatewayServer(config)
