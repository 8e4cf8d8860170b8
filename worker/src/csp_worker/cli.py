"""One running CLI behind one ClaudeSDKClient; the only module that touches the SDK's private parts.

Three things are not public and are used here because nothing else does them: control requests that
claim a spare, messages as the CLI wrote them (the typed ones drop what tells an abandoned block
from a finished one), and the process behind the transport. The SDK's version is pinned for it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient
from claude_agent_sdk._cli_version import __cli_version__

from csp_worker.guard import tree

CLI_VERSION: str = __cli_version__
CONNECT_SECONDS = 60.0
CONTROL_SECONDS = 30.0
Message = dict[str, Any]


class CliError(Exception):
    """The CLI could not be started, or does not answer; the text is for a log."""


class Cli:
    """A connected CLI. `pid` is that of its guard, below which everything it starts lives."""

    def __init__(self, client: ClaudeSDKClient, session_id: str | None) -> None:
        self._client = client
        # Connected clients have both; the SDK types them as optional and untyped.
        self._query: Any = client._query
        process: Any = client._transport
        self.pid: int = process._process.pid
        self.session_id = session_id
        self.closing = False

    @classmethod
    async def start(cls, options: ClaudeAgentOptions) -> Cli:
        """Spawns and initializes. Raises CliError."""
        client = ClaudeSDKClient(options)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await client.connect()
        except Exception as error:
            raise CliError(f"the CLI did not start: {error}") from error
        return cls(client, options.resume)

    async def claim(self, requests: list[dict[str, Any]]) -> None:
        """Makes a spare a session. Raises CliError, after which it is of no use.

        The CLI handles control requests in order, so they are sent without waiting in between.
        Connecting MCP servers may take long; the first message waits for it, the claim does not.
        """
        tasks = [asyncio.create_task(self._control(request)) for request in requests]
        quick = [
            task
            for task, request in zip(tasks, requests, strict=True)
            if request["subtype"] != "mcp_set_servers"
        ]
        try:
            answers = await asyncio.gather(*quick)
        except Exception as error:
            for task in tasks:
                task.cancel()
            raise CliError(f"the spare could not be claimed: {error}") from error
        for task in tasks:
            task.add_done_callback(_forget)
        if answers[1].get("status") != "ok":
            raise CliError(f"the spare could not be claimed: {answers[1]}")
        self.session_id = str(answers[1]["session_id"])

    async def messages(self) -> AsyncIterator[Message]:
        """Everything the CLI says, until it ends. Raises CliError when it cannot be heard."""
        try:
            async for message in self._query.receive_messages():
                yield message
        except Exception as error:
            raise CliError(str(error)) from error

    async def query(self, content: list[dict[str, Any]], uuid: str) -> None:
        """Sends one user message. Raises CliError."""

        async def one() -> AsyncIterator[dict[str, Any]]:
            yield {
                "type": "user",
                "message": {"role": "user", "content": content},
                "parent_tool_use_id": None,
                "uuid": uuid,
            }

        try:
            await self._client.query(one())
        except Exception as error:
            raise CliError(f"the CLI took no message: {error}") from error

    async def interrupt(self) -> None:
        await self._control({"subtype": "interrupt"})

    async def set_model(self, model: str | None) -> None:
        await self._control({"subtype": "set_model", "model": model})

    async def set_permission_mode(self, mode: str) -> None:
        await self._control({"subtype": "set_permission_mode", "mode": mode})

    async def context_usage(self) -> dict[str, Any]:
        return await self._control({"subtype": "get_context_usage"})

    def processes(self) -> list[int]:
        """The guard and everything below it."""
        return [self.pid, *tree.descendants(self.pid)]

    def terminate(self) -> None:
        """SIGTERM to the CLI; its guard passes it on."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to everything. The guard goes last, since it would sweep up what is missed."""
        tree.kill_all(tree.descendants(self.pid))

    async def close(self) -> None:
        """Ends it at once: what it had to say has been said."""
        self.closing = True
        self.kill()
        with suppress(Exception):
            await self._client.disconnect()

    async def _control(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = await self._query._send_control_request(
                request, timeout=CONTROL_SECONDS
            )
        except Exception as error:
            raise CliError(f"{request['subtype']} failed: {error}") from error
        return answer


def _forget(task: asyncio.Task[dict[str, Any]]) -> None:
    if not task.cancelled():
        task.exception()
