"""The tools of an agent: the built-in toolset and those of MCP servers, with their policies."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from csp_controlplane.gateway.schemas.common import Request, Text

ToolName = Literal["bash", "edit", "read", "write", "glob", "grep", "web_fetch", "web_search"]
McpName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class PermissionPolicy(Request):
    """Run without asking, ask a person, or (auto) ask unless the tool only reads."""

    type: Literal["always_allow", "always_ask", "auto"]


class ToolDefault(Request):
    """For every tool of the set that has no entry of its own."""

    enabled: bool | None = None
    permission_policy: PermissionPolicy | None = None


class ToolConfig(Request):
    """One tool of the agent toolset."""

    name: ToolName
    type: ToolName | None = None
    enabled: bool | None = None
    permission_policy: PermissionPolicy | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_domains(cls, value: Any) -> Any:
        unsupported = ("allowed_domains", "blocked_domains", "url_sources", "max_content_tokens")
        if isinstance(value, dict):
            for name in (*unsupported, "user_location"):
                if value.get(name):
                    raise ValueError(
                        f"{name} is not supported here: use rules such as "
                        'options.permissions {"WebFetch(domain:example.org)": "allow"}'
                    )
            value = {k: v for k, v in value.items() if k not in (*unsupported, "user_location")}
        return value


class AgentToolset(Request):
    """The built-in tools."""

    type: Literal["agent_toolset_20260401"]
    default_config: ToolDefault | None = None
    configs: list[ToolConfig] = Field(default_factory=list, max_length=32)


class McpToolConfig(Request):
    """One tool of an MCP server."""

    name: Annotated[Text, Field(min_length=1, max_length=128)]
    enabled: bool | None = None
    permission_policy: PermissionPolicy | None = None


class McpToolset(Request):
    """The tools of one of the agent's MCP servers."""

    type: Literal["mcp_toolset"]
    mcp_server_name: McpName
    default_config: ToolDefault | None = None
    configs: list[McpToolConfig] = Field(default_factory=list, max_length=256)


Tool = Annotated[AgentToolset | McpToolset, Field(discriminator="type")]


ALLOW: Final = PermissionPolicy(type="always_allow")
ASK: Final = PermissionPolicy(type="always_ask")
READING: Final[tuple[ToolName, ...]] = ("read", "glob", "grep")


def standard_tools() -> list[Tool]:
    """The tools of an agent that names none: reading runs at once, the rest asks."""
    configs = [
        ToolConfig(name=name, type=name, enabled=True, permission_policy=ALLOW) for name in READING
    ]
    default = ToolDefault(enabled=True, permission_policy=ASK)
    return [AgentToolset(type="agent_toolset_20260401", default_config=default, configs=configs)]
