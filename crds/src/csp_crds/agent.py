"""What an agent is: the one definition that the API stores, AgentSession embeds and a worker runs.

Every field names an option of the Claude Agent SDK that is safe to expose to whoever defines an
agent. Options that would break isolation (settings files, environment of the control plane, paths
of the host) have no field here. Mapping onto the SDK is the worker's business.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

PermissionMode = Literal["default", "acceptEdits", "plan", "dontAsk", "bypassPermissions"]
"""As the SDK's permission modes. The merged policy decides before any of them."""

PERMISSION_MODES: tuple[PermissionMode, ...] = get_args(PermissionMode)

Permission = Literal["allow", "ask", "deny"]
"""What the policy does with a tool call: run it, ask a person, or refuse it."""

Effort = Literal["low", "medium", "high", "xhigh", "max"]

DEFAULT_TOOLS = (
    "Bash",
    "Read",
    "Write",
    "Edit",
    "Glob",
    "Grep",
    "WebFetch",
    "WebSearch",
    "TodoWrite",
    "Agent",
    "AskUserQuestion",
    "ExitPlanMode",
    "NotebookEdit",
)

DEFAULT_POLICY: dict[str, Permission] = {
    "Read": "allow",
    "Glob": "allow",
    "Grep": "allow",
    "TodoWrite": "allow",
    "Agent": "allow",
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class McpServer(_Model):
    """An MCP server that the agent may use: a URL, or a command inside the worker."""

    type: Literal["stdio", "http", "sse"] = Field("http", description="How it is spoken to.")
    url: str | None = Field(None, description="Address, for http and sse.")
    command: str | None = Field(None, description="Program inside the worker, for stdio.")
    args: tuple[str, ...] = Field((), description="Arguments of the program.")
    env: dict[str, str] = Field(default_factory=dict, description="Environment of the program.")
    headers: dict[str, str] = Field(
        default_factory=dict, description="Headers of each request, for http and sse."
    )


class Subagent(_Model):
    """A named helper that the agent can start; see the SDK's AgentDefinition.

    Whatever it is given here, the agent's permissions decide each of its tool calls.
    """

    description: str = Field(description="When the agent should use it.", min_length=1)
    prompt: str = Field(description="Its system prompt.", min_length=1)
    tools: tuple[str, ...] | None = Field(None, description="Its tools; absent: the agent's.")
    disallowed_tools: tuple[str, ...] = Field(
        (), description="Tools and rules such as Bash(git push:*) that it never has."
    )
    model: str | None = Field(None, description="Its model; absent: the agent's.")
    skills: tuple[str, ...] = Field((), description="Skills that are read to it when it starts.")
    max_turns: int | None = Field(None, ge=1, le=1000, description="Model turns of one run.")
    background: bool | None = Field(None, description="Always run it while the agent goes on.")
    effort: Effort | None = Field(None, description="How hard its model tries.")


class Thinking(_Model):
    """Extended thinking: adaptive, a fixed budget of tokens, or off."""

    type: Literal["adaptive", "enabled", "disabled"] = Field(
        "adaptive", description="Who decides how much: the model, budget_tokens, or nobody."
    )
    budget_tokens: int | None = Field(
        None, ge=1024, le=128_000, description="Tokens for thinking, with `enabled`."
    )


class Limits(_Model):
    """Bounds of one session; what they cut is said in the log."""

    turn_seconds: int = Field(3600, ge=1, le=14_400, description="Wall clock of one turn.")
    session_seconds: int = Field(14_400, ge=60, le=86_400, description="Life of one worker.")
    rss_bytes: int = Field(
        2 * 1024**3, ge=128 * 1024**2, description="Memory of the CLI and its children."
    )
    max_turns: int | None = Field(None, ge=1, le=1000, description="Model turns in one answer.")
    task_budget_tokens: int | None = Field(
        None,
        ge=1000,
        le=100_000_000,
        description="Tokens that the model is told to pace itself within; a beta of the API.",
    )


class AgentSpec(_Model):
    """A whole agent definition. `name` and versions belong to the API resource around it."""

    model: str | None = Field(None, description="Model id; the deployment's default if absent.")
    fallback_model: str | None = Field(None, description="Used after repeated overload answers.")
    system_prompt: str | None = Field(None, description="Replaces the default system prompt.")
    append_system_prompt: str | None = Field(None, description="Added to the default prompt.")
    tools: tuple[str, ...] = Field(DEFAULT_TOOLS, description="Built-in tools that exist at all.")
    permissions: dict[str, Permission] = Field(
        default_factory=lambda: dict(DEFAULT_POLICY),
        description="Decision per tool name or rule such as Bash(git status:*); the most "
        "restrictive match wins.",
    )
    default_permission: Permission = Field("ask", description="For tools that no rule names.")
    permission_mode: PermissionMode = Field(
        "default", description="The SDK's mode; permissions decide before it."
    )
    mcp_servers: dict[str, McpServer] = Field(
        default_factory=dict, max_length=20, description="MCP servers by name."
    )
    subagents: dict[str, Subagent] = Field(
        default_factory=dict,
        max_length=20,
        description="Helpers that the agent can start, by name.",
    )
    skills: tuple[str, ...] = Field((), description="Skills that the agent may use.")
    output_schema: dict[str, Any] | None = Field(
        None, description="JSON Schema: every answer then also carries a structured result."
    )
    thinking: Thinking | None = Field(None, description="Extended thinking; absent: the default.")
    effort: Effort | None = Field(None, description="How hard the model tries.")
    betas: tuple[str, ...] = Field((), description="Beta features of the Messages API.")
    env: dict[str, str] = Field(
        default_factory=dict, description="Environment of the agent's tools. No secrets."
    )
    verbatim_prompts: bool = Field(
        True, description="Deliver messages as typed: no @file expansion, no slash commands."
    )
    limits: Limits = Field(
        default_factory=Limits,
        description="Bounds of one session; what they cut is said in the log.",
    )

    @field_validator("env")
    @classmethod
    def _env_is_not_ours(cls, env: dict[str, str]) -> dict[str, str]:
        for name in env:
            if name.startswith(("ANTHROPIC_", "CLAUDE_", "CSP_", "LD_", "NODE_", "BUN_", "PATH")):
                raise ValueError(f"env.{name}: names of this kind are set by the worker")
        return env

    @property
    def permission_modes(self) -> tuple[PermissionMode, ...]:
        """The modes that a session of this agent can be switched to.

        A session that began with questions never loses them: bypassPermissions counts only where
        the definition itself has it.
        """
        if self.permission_mode == "bypassPermissions":
            return PERMISSION_MODES
        return tuple(mode for mode in PERMISSION_MODES if mode != "bypassPermissions")

    def spawn_profile(self) -> str:
        """Hash of the fields that the CLI fixes when it is spawned: spares are keyed by it.

        The rest (model, system prompt, permission mode, subagents, thinking budget, env, limits)
        is set when a spare is claimed. Source: docs/explanation/warm-spares.md.
        """
        fixed: dict[str, Annotated[Any, "JSON"]] = {
            "tools": sorted(self.tools),
            "fallback_model": self.fallback_model,
            "betas": sorted(self.betas),
            "max_turns": self.limits.max_turns,
            "task_budget_tokens": self.limits.task_budget_tokens,
            "output_schema": self.output_schema,
            "skills": sorted(self.skills),
            "mcp": bool(self.mcp_servers),
            "verbatim": self.verbatim_prompts,
            "thinking": self.thinking.model_dump() if self.thinking else None,
        }
        raw = json.dumps(fixed, sort_keys=True, separators=(",", ":")).encode()
        return hashlib.sha256(raw).hexdigest()[:16]
