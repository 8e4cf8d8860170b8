"""From an agent definition to what a spare is told when it becomes a session's CLI. No I/O.

The counterpart of options.py: whatever is not fixed at spawn is in these control requests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from claude_agent_sdk.types import PermissionMode

from csp_crds.agent import AgentSpec, McpServer, Subagent


def claim_requests(
    spec: AgentSpec, cwd: Path, model_handle: str, traceparent: str = ""
) -> list[dict[str, Any]]:
    """Control requests that make a spare this session's CLI, in order; the second is the claim."""
    env = {**trace_environment(traceparent), **spec.env, "ANTHROPIC_API_KEY": model_handle}
    settings: dict[str, Any] = {"env": env}
    if spec.effort:
        settings["effortLevel"] = spec.effort
    claim: dict[str, Any] = {
        "subtype": "claim_session",
        "cwd": str(cwd),
        "permission_mode": cli_mode(spec.permission_mode),
    }
    if spec.system_prompt is not None:
        claim["system_prompt"] = [spec.system_prompt]
    if spec.append_system_prompt:
        claim["append_system_prompt"] = spec.append_system_prompt
    if spec.subagents:
        claim["agents"] = subagents(spec)
    requests = [{"subtype": "apply_flag_settings", "settings": settings}, claim]
    if spec.model:
        requests.append({"subtype": "set_model", "model": spec.model})
    if spec.mcp_servers:
        requests.append({"subtype": "mcp_set_servers", "servers": mcp_servers(spec)})
    return requests


def trace_environment(traceparent: str) -> dict[str, str]:
    """What joins the CLI's requests to the model, and its tools, to the trace of the bind."""
    if not traceparent:
        return {}
    return {
        "TRACEPARENT": traceparent,
        "ANTHROPIC_CUSTOM_HEADERS": f"traceparent: {traceparent}",
    }


def claimable(spec: AgentSpec, spare: AgentSpec) -> bool:
    """Whether a spare of one definition can become a session of the other."""
    # The settings layer through which a spare gets its effort does not know this level.
    return spec.spawn_profile() == spare.spawn_profile() and spec.effort != "max"


def cli_mode(mode: str) -> PermissionMode:
    """The CLI's own permission mode.

    It never gets bypassPermissions: the policy hook grants what that mode would, and a hook that
    fails must find a CLI that still asks.
    """
    return "default" if mode == "bypassPermissions" else cast("PermissionMode", mode)


def subagents(spec: AgentSpec) -> dict[str, dict[str, Any]]:
    """As the SDK's AgentDefinition and the CLI name their fields."""
    return {name: _subagent(agent) for name, agent in spec.subagents.items()}


def _subagent(agent: Subagent) -> dict[str, Any]:
    fields = {
        "description": agent.description,
        "prompt": agent.prompt,
        "tools": None if agent.tools is None else list(agent.tools),
        "disallowedTools": list(agent.disallowed_tools) or None,
        "model": agent.model,
        "skills": list(agent.skills) or None,
        "maxTurns": agent.max_turns,
        "background": agent.background,
        "effort": agent.effort,
    }
    return {name: value for name, value in fields.items() if value is not None}


def mcp_servers(spec: AgentSpec) -> dict[str, dict[str, Any]]:
    """As the CLI takes them."""
    return {name: _mcp_server(server) for name, server in spec.mcp_servers.items()}


def _mcp_server(server: McpServer) -> dict[str, Any]:
    if server.type == "stdio":
        return {
            "type": "stdio",
            "command": server.command or "",
            "args": list(server.args),
            "env": dict(server.env),
        }
    return {"type": server.type, "url": server.url or "", "headers": dict(server.headers)}
