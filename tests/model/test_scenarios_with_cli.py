"""The scenarios with the real CLI, through the proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    PermissionResultAllow,
    PermissionResultDeny,
    ResultMessage,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
)

from support.models import BoundSession, ProxyServer, recorded, requests_of
from support.waiting import wait_until

TOOLS = (
    "Bash",
    "Read",
    "Write",
    "Edit",
    "Grep",
    "Agent",
    "AskUserQuestion",
    "TodoWrite",
)


@pytest.fixture
def options(tmp_path: Path, proxy: ProxyServer, session: BoundSession) -> ClaudeAgentOptions:
    """A bare SDK whose model is the scripted one behind the proxy."""
    for name in ("workspace", "config"):
        (tmp_path / name).mkdir()

    async def answer(name: str, given: dict[str, Any], _context: Any) -> Any:
        if name == "AskUserQuestion":
            answers = {given["questions"][0]["question"]: "Orange"}
            return PermissionResultAllow(updated_input={**given, "answers": answers})
        if "forbidden" in str(given):
            return PermissionResultDeny(message="A person said no.")
        return PermissionResultAllow()

    return ClaudeAgentOptions(
        cwd=tmp_path / "workspace",
        setting_sources=[],
        strict_mcp_config=True,
        verbatim_prompts=True,
        can_use_tool=answer,
        tools=list(TOOLS),
        env={
            "ANTHROPIC_BASE_URL": proxy.url,
            "ANTHROPIC_API_KEY": session.handle,
            "CLAUDE_CONFIG_DIR": str(tmp_path / "config"),
            "CLAUDE_CODE_MAX_RETRIES": "2",
            "CLAUDE_CODE_ENABLE_TASKS": "0",
        },
    )


class Seen:
    """What one answer consisted of."""

    def __init__(self) -> None:
        self.text = ""
        self.thinking = ""
        self.tools: list[str] = []
        self.parents: set[str] = set()
        self.result: ResultMessage | None = None


async def ask(cli: ClaudeSDKClient, prompt: str) -> Seen:
    seen = Seen()
    await cli.query(prompt)
    async for message in cli.receive_response():
        if isinstance(message, AssistantMessage):
            for block in message.content:
                if isinstance(block, TextBlock) and not message.parent_tool_use_id:
                    seen.text += block.text + "\n"
                elif isinstance(block, ThinkingBlock):
                    seen.thinking += block.thinking
                elif isinstance(block, ToolUseBlock):
                    seen.tools.append(block.name)
                    if message.parent_tool_use_id:
                        seen.parents.add(message.parent_tool_use_id)
        elif isinstance(message, ResultMessage):
            seen.result = message
    return seen


async def test_real_cli_plays_the_scenarios(
    options: ClaudeAgentOptions, session: BoundSession, database_url: str
) -> None:
    workspace = Path(str(options.cwd))
    (workspace / "marker.txt").write_text("content")
    async with ClaudeSDKClient(options) as cli:
        listed = await ask(cli, "list files")
        assert listed.tools == ["Bash"]
        assert "marker.txt" in listed.text

        written = await ask(cli, "create hello.py")
        assert written.tools == ["Write", "Bash"]
        assert (workspace / "hello.py").exists()
        assert "Hello from the scripted model!" in written.text

        edited = await ask(cli, "edit hello.py")
        assert edited.tools == ["Read", "Edit"]
        assert "Hello again" in (workspace / "hello.py").read_text()

        assert "**Orange**" in (await ask(cli, "ask me something")).text
        assert (await ask(cli, "make a plan")).tools == ["TodoWrite"] * 4
        assert "does not reason" in (await ask(cli, "think about it")).thinking

        helped = await ask(cli, "research with a subagent")
        assert helped.tools == ["Agent", "Bash"]
        assert len(helped.parents) == 1
        assert "hello.py" in helped.text

        denied = await ask(cli, "run: touch forbidden")
        assert "A person said no." in denied.text

        recovered = await ask(cli, "error 529")
        assert recovered.result is not None
        assert not recovered.result.is_error
        assert "after the retry" in recovered.text

        again = await ask(cli, "cut the stream")
        assert "after it" in again.text

    async def all_settled() -> bool:
        rows = await requests_of(database_url, session.id)
        return all(row["status"] == "settled" for row in rows)

    await wait_until(all_settled, what="everything settled")
    rows = await requests_of(database_url, session.id)
    assert len(rows) > 20
    assert {row["http_status"] for row in rows} == {200, 529}


async def test_real_cli_asks_for_a_title_and_gets_one(
    options: ClaudeAgentOptions, session: BoundSession, scripted: Any
) -> None:
    async with ClaudeSDKClient(options) as cli:
        await ask(cli, "explain the garbage collector")

    def titles(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for entry in entries:
            asked = str(entry.get("messages"))
            if "explain the garbage collector" in asked and "<session>" in asked:
                yield entry

    async def asked_for_a_title() -> bool:
        return any(titles(await recorded(scripted.url)))

    await wait_until(asked_for_a_title, what="the CLI asks for a title")


async def test_real_cli_shows_the_sentence_of_a_refusal_at_once(
    options: ClaudeAgentOptions, proxy: ProxyServer
) -> None:
    options.env["ANTHROPIC_API_KEY"] = "an-old-handle"
    async with ClaudeSDKClient(options) as cli:
        seen = await ask(cli, "hello")
    assert seen.result is not None
    assert seen.result.is_error
    assert seen.result.api_error_status == 401
    assert "access to the model has ended" in seen.text


async def test_real_cli_returns_a_structured_result(options: ClaudeAgentOptions) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "people": {"type": "integer", "minimum": 2}},
        "required": ["city", "people"],
    }
    options.output_format = {"type": "json_schema", "schema": schema}
    async with ClaudeSDKClient(options) as cli:
        seen = await ask(cli, "tell me about a city")
    assert seen.result is not None
    assert seen.result.structured_output == {"city": "example city", "people": 2}
