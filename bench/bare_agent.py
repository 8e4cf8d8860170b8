"""The limit of a first token: the SDK's client and its CLI, and nothing of the product between.

The options are the worker's own, hook and mirrored transcript included, because the CLI works for
them; what answers here does nothing. There is no guard around the CLI, and it calls the scripted
model directly, without the model proxy.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from csp_crds.agent import AgentSpec
from csp_worker.claim import claim_requests
from csp_worker.cli import Cli
from csp_worker.options import Callbacks, Spawn, environment, spawn_options
from csp_worker.paths import Paths
from csp_worker.process import bundled_cli
from csp_worker.settings import WorkerSettings
from csp_worker.transcript import MirrorStore

TURN_S = 60.0


async def _unused(*_: object) -> None:
    raise AssertionError("the bare agent has no callbacks")


class BareAgent:
    """One CLI and its session. Open it with `bare_agent`."""

    def __init__(self, cli: Cli, spec: AgentSpec, workspace: Path) -> None:
        self._cli = cli
        self._spec = spec
        self._workspace = workspace
        self._first: asyncio.Future[int] | None = None
        self._end: asyncio.Future[None] | None = None
        self._reader = asyncio.create_task(self._read(), name="bare-agent")

    async def claim(self) -> None:
        """Makes the spare a session."""
        await self._cli.claim(claim_requests(self._spec, self._workspace, "bare"))

    async def first_token(self, text: str) -> int:
        """Nanoseconds from the message to the first piece of its answer; returns at its end."""
        loop = asyncio.get_running_loop()
        self._first, self._end = loop.create_future(), loop.create_future()
        began = time.monotonic_ns()
        await self._cli.query([{"type": "text", "text": text}], str(uuid.uuid4()))
        async with asyncio.timeout(TURN_S):
            arrived = await self._first
            await self._end
        return arrived - began

    async def close(self) -> None:
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        await self._cli.close()

    async def _read(self) -> None:
        async for message in self._cli.messages():
            if message.get("type") == "stream_event":
                event = message["event"]
                delta = event.get("delta", {}) if event["type"] == "content_block_delta" else {}
                first = self._first
                if delta.get("type") == "text_delta" and first is not None and not first.done():
                    first.set_result(time.monotonic_ns())
            elif message.get("type") == "result" and self._end is not None:
                self._end.set_result(None)


@asynccontextmanager
async def bare_agent(
    directory: Path, model_url: str, spec: AgentSpec, *, spare: bool
) -> AsyncIterator[BareAgent]:
    """An agent that calls `model_url`: a session of its own, or a spare that waits for `claim`."""
    home = directory / f"bare-{secrets.token_hex(4)}"
    settings = WorkerSettings(
        id="bare",
        listen="unix:/unused",
        jwks_file=home / "unused",
        home=home,
        workspace_root=home / "work",
        model_base_url=model_url,
    )
    paths = Paths.create(settings.home, settings.workspace_root)
    workspace = paths.workspace_root / "session"
    workspace.mkdir()
    callbacks = Callbacks(
        pre_tool_use=_unused,  # type: ignore[arg-type]
        can_use_tool=_unused,  # type: ignore[arg-type]
        stderr=lambda line: None,
        store=MirrorStore(),
    )
    spawn = Spawn(
        bundled_cli(),
        paths.parking if spare else workspace,
        environment(settings, paths),
        callbacks,
        None if spare else "bare",
    )
    options = replace(spawn_options(spec, spawn), user=None)
    agent = BareAgent(await Cli.start(options), spec, workspace)
    try:
        yield agent
    finally:
        await agent.close()
