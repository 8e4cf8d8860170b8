"""Phrases that several topics share: quoting real results, missing tools, refused permissions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from csp_controlplane.scripted_model.answers import Answer, call, say
from csp_controlplane.scripted_model.turns import ToolResult, Turn

_MOST_CHARACTERS = 2_000
_TOOL_SEARCH = "ToolSearch"
_PLACEHOLDER = "DeferredToolPlaceholder"


def fenced(text: str, language: str = "") -> str:
    """A Markdown code block around any text, shortened if it is long."""
    if len(text) > _MOST_CHARACTERS:
        left_out = len(text) - _MOST_CHARACTERS
        text = f"{text[:_MOST_CHARACTERS]}\n… {left_out:,} more characters"
    ticks = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def topic_of(prompt: str, most: int = 160) -> str:
    """The prompt on one line, for an echo."""
    line = " ".join(prompt.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def use(
    turn: Turn, name: str, tool_input: Mapping[str, Any], saying: str, *, also: str | None = None
) -> Answer:
    """Calls the tool if the agent has it, looks it up first if it is deferred, else says so."""
    if name in turn.tools:
        return call(name, tool_input, saying=saying)
    if name in turn.deferred and _TOOL_SEARCH in turn.tools and not turn.named(_TOOL_SEARCH):
        wanted = f"{name},{also}" if also else name
        return call(_TOOL_SEARCH, {"query": f"select:{wanted}", "max_results": 3})
    real = sorted(tool for tool in turn.tools if tool != _PLACEHOLDER)
    offered = ", ".join(f"`{tool}`" for tool in real) or "no tools at all"
    return say(
        f"I would use the tool `{name}` for this, but this agent does not have it. "
        f"It has: {offered}. Tools are chosen in the agent's definition."
    )


def failed(result: ToolResult) -> Answer:
    """What is said about a tool call that was refused or went wrong."""
    return say(
        f"The `{result.name}` call did not succeed, so nothing more was done. "
        f"This is what came back:\n\n{fenced(result.text)}\n\n"
        "If you declined it, that is all right: ask again whenever you like."
    )


def in_directory(turn: Turn, name: str) -> str:
    """A path inside the working directory, absolute where the directory is known."""
    name = name.lstrip("/")
    return f"{turn.directory.rstrip('/')}/{name}" if turn.directory else name
