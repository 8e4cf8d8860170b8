"""The tools of an agent as the API names them, with every default written out.

What a definition leaves open is resolved when it is written, so that every reader sees the same
policies. Defaults are those of Anthropic's API.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from csp_controlplane.errors import InvalidRequest
from csp_controlplane.gateway.schemas.agents import UrlMcpServer
from csp_controlplane.gateway.schemas.tools import (
    ALLOW,
    ASK,
    AgentToolset,
    McpToolset,
    Tool,
    ToolConfig,
    ToolDefault,
    ToolName,
)

TOOLS: Final[dict[ToolName, str]] = {
    "bash": "Bash",
    "edit": "Edit",
    "read": "Read",
    "write": "Write",
    "glob": "Glob",
    "grep": "Grep",
    "web_fetch": "WebFetch",
    "web_search": "WebSearch",
}
"""The API's names of the built-in tools and the SDK's."""

HARMLESS: Final = ("TodoWrite", "Agent")
COMPANIONS: Final = (*HARMLESS, "AskUserQuestion", "ExitPlanMode", "NotebookEdit")
"""Tools without a name in the API: they come with a toolset that is on by default."""


def resolve_tools(tools: Sequence[Tool], servers: Sequence[UrlMcpServer]) -> list[Tool]:
    """The same tools with every default written out, as Anthropic's API resolves them.

    Without a policy the agent toolset runs without asking and an MCP toolset asks. Raises
    InvalidRequest for sets that contradict each other or the servers.
    """
    _check_sets(tools, servers)
    return [_resolved(index, tool) for index, tool in enumerate(tools)]


def _resolved(index: int, tool: Tool) -> Tool:
    given = tool.default_config
    enabled = True if given is None or given.enabled is None else given.enabled
    policy = (given and given.permission_policy) or (
        ALLOW if isinstance(tool, AgentToolset) else ASK
    )
    default = ToolDefault(enabled=enabled, permission_policy=policy)
    names = [config.name for config in tool.configs]
    if len(set(names)) < len(names):
        raise InvalidRequest(f"tools.{index}.configs: a tool is named twice")
    update: dict[str, Any] = {
        "default_config": default,
        "configs": [_resolved_config(config, default) for config in tool.configs],
    }
    if isinstance(tool, McpToolset) and not enabled and any(c.enabled for c in tool.configs):
        raise InvalidRequest(
            f"tools.{index}.default_config.enabled: an MCP server cannot be off while single tools "
            "of it are on. Leave it on and switch single tools off in configs."
        )
    return tool.model_copy(update=update)


def _resolved_config(config: Any, default: ToolDefault) -> Any:
    update: dict[str, Any] = {
        "enabled": default.enabled if config.enabled is None else config.enabled,
        "permission_policy": config.permission_policy or default.permission_policy,
    }
    if isinstance(config, ToolConfig):
        if config.type not in (None, config.name):
            raise InvalidRequest(f"tools: type {config.type!r} contradicts name {config.name!r}")
        update["type"] = config.name
    return config.model_copy(update=update)


def _check_sets(tools: Sequence[Tool], servers: Sequence[UrlMcpServer]) -> None:
    if sum(isinstance(tool, AgentToolset) for tool in tools) > 1:
        raise InvalidRequest("tools: agent_toolset_20260401 can be given once only")
    names = [server.name for server in servers]
    if len(set(names)) < len(names):
        raise InvalidRequest("mcp_servers: each name can be given once only")
    referenced = [tool.mcp_server_name for tool in tools if isinstance(tool, McpToolset)]
    if len(set(referenced)) < len(referenced):
        raise InvalidRequest("tools: one mcp_toolset for each MCP server, not several")
    for name in set(referenced) ^ set(names):
        where = "tools has no mcp_toolset for" if name in names else "mcp_servers does not name"
        raise InvalidRequest(f"{where} {name!r}: each MCP server needs one mcp_toolset")
