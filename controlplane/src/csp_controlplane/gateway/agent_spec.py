"""Agent definitions of the API and the specs that workers run: pure mappings, both ways.

The API has Anthropic's vocabulary (a toolset with policies per tool); a spec has the SDK's (tools
that exist, rules that decide).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from csp_controlplane.errors import InvalidRequest
from csp_controlplane.gateway.agent_tools import COMPANIONS, HARMLESS, TOOLS
from csp_controlplane.gateway.schemas.agents import (
    AgentDefinition,
    AgentOptions,
    EffortLevel,
    ModelConfig,
    UrlMcpServer,
)
from csp_controlplane.gateway.schemas.tools import (
    ALLOW,
    ASK,
    READING,
    AgentToolset,
    McpToolset,
    PermissionPolicy,
    Tool,
    ToolConfig,
    ToolDefault,
    ToolName,
)
from csp_crds.agent import DEFAULT_TOOLS, AgentSpec, Permission

_MERGED: Final = ("permissions", "mcp_servers")


# ---- definition to spec -------------------------------------------------------------------------


def to_spec(definition: AgentDefinition) -> AgentSpec:
    """What a worker runs for a resolved definition. Raises InvalidRequest if that is impossible."""
    options = definition.options.given()
    default: Permission = options.get("default_permission", "ask")
    fields: dict[str, Any] = {
        "model": definition.model.id if definition.model else None,
        "system_prompt": definition.system,
        "tools": _tool_names(definition.tools),
        "permissions": _permissions(definition.tools, default),
        "mcp_servers": {s.name: {"type": "http", "url": s.url} for s in definition.mcp_servers},
        "skills": [skill.skill_id for skill in definition.skills],
    }
    if definition.model and definition.model.effort:
        fields["effort"] = definition.model.effort.type
    for name, value in options.items():
        fields[name] = {**fields[name], **value} if name in _MERGED else value
    try:
        return AgentSpec.model_validate(fields)
    except ValueError as error:
        raise InvalidRequest(f"The definition cannot be run: {error}") from None


def _tool_names(tools: Sequence[Tool]) -> list[str]:
    names: set[str] = set()
    for tool in tools:
        if isinstance(tool, AgentToolset):
            names |= {TOOLS[name] for name, config in _by_tool(tool).items() if config.enabled}
            if tool.default_config and tool.default_config.enabled:
                names |= set(COMPANIONS)
                if "Edit" not in names:
                    names.discard("NotebookEdit")
    return [name for name in DEFAULT_TOOLS if name in names]


def _by_tool(toolset: AgentToolset) -> dict[ToolName, ToolConfig]:
    default = toolset.default_config or ToolDefault()
    every = {
        name: ToolConfig(
            name=name, enabled=default.enabled, permission_policy=default.permission_policy
        )
        for name in TOOLS
    }
    return {**every, **{config.name: config for config in toolset.configs}}


def _permissions(tools: Sequence[Tool], default: Permission) -> dict[str, Permission]:
    """Rules for what differs from the default decision."""
    wanted: dict[str, Permission] = {}
    servers: dict[str, Permission] = {}
    for tool in tools:
        if isinstance(tool, McpToolset):
            servers |= _mcp_rules(tool, default)
            continue
        for name, config in _by_tool(tool).items():
            if config.enabled:
                wanted[TOOLS[name]] = _decision(config.permission_policy, name)
        if "Edit" in wanted:
            wanted["NotebookEdit"] = wanted["Edit"]
        if tool.default_config and tool.default_config.enabled:
            wanted |= dict.fromkeys(HARMLESS, "allow")
    differing = {name: decision for name, decision in wanted.items() if decision != default}
    return differing | servers


def _mcp_rules(tool: McpToolset, default: Permission) -> dict[str, Permission]:
    config = tool.default_config or ToolDefault()
    server = f"mcp__{tool.mcp_server_name}"
    whole: Permission = _decision(config.permission_policy, "") if config.enabled else "deny"
    rules: dict[str, Permission] = {server: whole} if whole != default else {}
    for single in tool.configs:
        decision: Permission = _decision(single.permission_policy, "") if single.enabled else "deny"
        if whole == "ask" != default and decision == "allow":
            raise InvalidRequest(
                f"tools: {single.name!r} of {tool.mcp_server_name!r} cannot run without asking "
                'while its server asks and options.default_permission is not "ask".'
            )
        if decision != whole:
            rules[f"{server}__{single.name}"] = decision
    return rules


def _decision(policy: PermissionPolicy | None, name: str) -> Permission:
    if policy is None or policy.type == "always_ask":
        return "ask"
    return "allow" if policy.type == "always_allow" or name in READING else "ask"


# ---- spec to definition -------------------------------------------------------------------------


def from_spec(name: str, spec: AgentSpec) -> AgentDefinition:
    """The definition that shows a spec which was not made by the API.

    `to_spec` of it has the same fields, except that `permissions` may name a tool with the decision
    that it would have anyway.
    """
    definition = AgentDefinition(
        name=name,
        model=_model_of(spec),
        system=spec.system_prompt,
        tools=_tools_of(spec),
        mcp_servers=[
            UrlMcpServer(type="url", name=server, url=spec.mcp_servers[server].url or "")
            for server in _plain_servers(spec)
        ],
        options=AgentOptions.model_validate({"default_permission": spec.default_permission}),
    )
    return definition.model_copy(update={"options": _options_for(spec, definition)})


def _model_of(spec: AgentSpec) -> ModelConfig | None:
    if spec.model is None:
        return None
    effort = EffortLevel(type=spec.effort) if spec.effort else None
    return ModelConfig(id=spec.model, effort=effort)


def _plain_servers(spec: AgentSpec) -> list[str]:
    return [
        name
        for name, server in spec.mcp_servers.items()
        if server.type == "http" and server.url and not server.headers
    ]


def _tools_of(spec: AgentSpec) -> list[Tool]:
    whole = all(name in spec.tools for name in COMPANIONS)
    configs = []
    for name, sdk in TOOLS.items():
        allowed = spec.permissions.get(sdk, spec.default_permission) == "allow"
        enabled = sdk in spec.tools
        if enabled != whole or allowed:
            policy = ALLOW if allowed else ASK
            configs.append(
                ToolConfig(name=name, type=name, enabled=enabled, permission_policy=policy)
            )
    default = ToolDefault(enabled=whole, permission_policy=ASK)
    tools: list[Tool] = [
        AgentToolset(type="agent_toolset_20260401", default_config=default, configs=configs)
    ]
    for server in _plain_servers(spec):
        allowed = spec.permissions.get(f"mcp__{server}", spec.default_permission) == "allow"
        default = ToolDefault(enabled=True, permission_policy=ALLOW if allowed else ASK)
        tools.append(McpToolset(type="mcp_toolset", mcp_server_name=server, default_config=default))
    return tools


def _options_for(spec: AgentSpec, shown: AgentDefinition) -> AgentOptions:
    """What the rest of the definition does not say."""
    derived = to_spec(shown).model_dump(mode="json")
    wanted = spec.model_dump(mode="json")
    options: dict[str, Any] = {}
    for name, value in wanted.items():
        if name in _MERGED:
            missing = {k: v for k, v in value.items() if derived[name].get(k) != v}
            if name == "permissions":
                extra = set(derived[name]) - set(value)
                missing |= dict.fromkeys(extra, wanted["default_permission"])
            if missing:
                options[name] = missing
        elif value != derived[name]:
            options[name] = value
    if spec.default_permission != "ask":
        options["default_permission"] = spec.default_permission
    return AgentOptions.model_validate(options)
