"""From an agent definition to the options that a CLI is spawned with. No I/O.

Some of a definition is fixed at spawn, the rest is told to a spare when it is claimed (claim.py);
together both ways must say the same. The isolation rules stand here: no settings files, an explicit
list of tools, no MCP server but the definition's, and prompts as they were typed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from claude_agent_sdk import (
    AgentDefinition,
    CanUseTool,
    ClaudeAgentOptions,
    HookMatcher,
    SessionStore,
)
from claude_agent_sdk.types import HookCallback, SystemPromptPreset, TaskBudget, ThinkingConfig

from csp_crds.agent import AgentSpec
from csp_worker.claim import cli_mode, mcp_servers, subagents, trace_environment
from csp_worker.paths import Paths
from csp_worker.settings import WorkerSettings
from csp_worker.transcript import MirrorStore

MAX_BUFFER_BYTES = 64 * 1024 * 1024
HOOK_TIMEOUT_SECONDS = 300.0
SPARE_KEY = "spare"
"""What a spare has instead of a key: the proxy refuses it."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the CLI calls back."""

    pre_tool_use: HookCallback
    can_use_tool: CanUseTool
    stderr: Callable[[str], None]
    store: MirrorStore


@dataclass(frozen=True, slots=True)
class Spawn:
    """How a CLI is started, apart from the definition."""

    launcher: Path
    cwd: Path
    env: Mapping[str, str]
    callbacks: Callbacks
    model_handle: str | None = None  # None: a spare, which waits to be claimed
    resume: str | None = None
    traceparent: str = ""


def environment(settings: WorkerSettings, paths: Paths) -> dict[str, str]:
    """Environment of every CLI of this worker: its directories, the proxy, patience and silence."""
    return {
        "ANTHROPIC_BASE_URL": settings.model_base_url,
        "CLAUDE_CONFIG_DIR": str(paths.config),
        "HOME": str(paths.user_home),
        "TMPDIR": str(paths.tmp),
        "CLAUDE_CODE_TMPDIR": str(paths.tmp),
        "CLAUDE_CODE_MAX_RETRIES": str(settings.max_retries),
        "API_TIMEOUT_MS": str(settings.api_timeout_seconds * 1000),
        "CLAUDE_ENABLE_BYTE_WATCHDOG": "1",
        "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": str(settings.stream_idle_seconds * 1000),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "CLAUDE_CODE_DISABLE_FEEDBACK_SURVEY": "1",
        "CLAUDE_CODE_DISABLE_CRON": "1",
        # Without it each message costs a second model request, for a title that nobody sees.
        "CLAUDE_CODE_DISABLE_TERMINAL_TITLE": "1",
        # The whole to-do list in one call, rather than a tool per change of it.
        "CLAUDE_CODE_ENABLE_TASKS": "0",
    }


def spawn_options(spec: AgentSpec, spawn: Spawn) -> ClaudeAgentOptions:
    """Options of a CLI: everything for a session, or what is fixed at spawn for a spare."""
    spare = spawn.model_handle is None
    calls = spawn.callbacks
    options = ClaudeAgentOptions(
        cli_path=spawn.launcher,
        cwd=spawn.cwd,
        env={**spawn.env, "ANTHROPIC_API_KEY": spawn.model_handle or SPARE_KEY},
        tools=tools(spec),
        setting_sources=[],
        strict_mcp_config=True,
        verbatim_prompts=spec.verbatim_prompts,
        skills=list(spec.skills),
        include_partial_messages=True,
        forward_subagent_text=True,
        permission_mode="default",
        system_prompt=SystemPromptPreset(type="preset", preset="claude_code"),
        fallback_model=spec.fallback_model,
        betas=cast("Any", list(spec.betas)),
        max_turns=spec.limits.max_turns,
        task_budget=_task_budget(spec),
        thinking=_thinking(spec),
        output_format=_output_format(spec),
        max_buffer_size=MAX_BUFFER_BYTES,
        stderr=calls.stderr,
        # The SDK asks for the other methods of the protocol only where they are implemented.
        session_store=cast("SessionStore", calls.store),
        session_store_flush="eager",
        can_use_tool=calls.can_use_tool,
        hooks={
            "PreToolUse": [
                HookMatcher(
                    hooks=[calls.pre_tool_use],
                    timeout=HOOK_TIMEOUT_SECONDS,
                    on_failure="block",
                )
            ]
        },
        extra_args={"await-claim": None} if spare else {},
    )
    if not spare:
        _for_session(options, spec, spawn)
    return options


def _for_session(options: ClaudeAgentOptions, spec: AgentSpec, spawn: Spawn) -> None:
    """What a spare is told by its claim."""
    options.model = spec.model
    options.permission_mode = cli_mode(spec.permission_mode)
    options.env = {**trace_environment(spawn.traceparent), **spec.env, **options.env}
    options.resume = spawn.resume
    options.effort = spec.effort
    options.mcp_servers = cast("Any", mcp_servers(spec))
    agents = subagents(spec)
    options.agents = {name: AgentDefinition(**agents[name]) for name in agents} or None
    if spec.system_prompt is not None:
        options.system_prompt = spec.system_prompt
        if spec.append_system_prompt:
            options.extra_args["append-system-prompt"] = spec.append_system_prompt
    elif spec.append_system_prompt:
        options.system_prompt = SystemPromptPreset(
            type="preset", preset="claude_code", append=spec.append_system_prompt
        )


def tools(spec: AgentSpec) -> list[str]:
    """Built-in tools that exist; naming a skill needs the tool that runs it."""
    names = list(dict.fromkeys(spec.tools))
    if spec.skills and "Skill" not in names:
        names.append("Skill")
    return names


def _thinking(spec: AgentSpec) -> ThinkingConfig | None:
    if spec.thinking is None:
        return None
    if spec.thinking.type == "enabled":
        return {"type": "enabled", "budget_tokens": spec.thinking.budget_tokens or 10_000}
    if spec.thinking.type == "disabled":
        return {"type": "disabled"}
    return {"type": "adaptive"}


def _task_budget(spec: AgentSpec) -> TaskBudget | None:
    total = spec.limits.task_budget_tokens
    return None if total is None else {"total": total}


def _output_format(spec: AgentSpec) -> dict[str, Any] | None:
    if spec.output_schema is None:
        return None
    return {"type": "json_schema", "schema": spec.output_schema}
