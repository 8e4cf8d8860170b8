"""Every option of the SDK is reachable from an agent definition, or has a reason why it is not.

An option that a newer SDK brings fails this until somebody has decided about it. What isolates an
agent from its host is always there.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from claude_agent_sdk import ClaudeAgentOptions

from csp_crds.agent import AgentSpec, Limits
from csp_worker.hooks import Gate
from csp_worker.options import Callbacks, Spawn, spawn_options
from csp_worker.transcript import MirrorStore

REACHED = {
    "agents": "subagents",
    "betas": "betas",
    "effort": "effort",
    "env": "env",
    "fallback_model": "fallback_model",
    "max_turns": "limits.max_turns",
    "mcp_servers": "mcp_servers",
    "model": "model",
    "output_format": "output_schema",
    "permission_mode": "permission_mode",
    "skills": "skills",
    "system_prompt": "system_prompt",
    "task_budget": "limits.task_budget_tokens",
    "thinking": "thinking",
    "tools": "tools",
    "verbatim_prompts": "verbatim_prompts",
}
"""Option: the definition's field."""

KEPT = {
    "the definition's own policy decides instead": (
        "allowed_tools", "disallowed_tools", "can_use_tool", "hooks", "permission_prompt_tool_name",
    ),
    "the worker needs it to make events of what the CLI does": (
        "include_partial_messages", "forward_subagent_text", "include_hook_events", "stderr",
        "debug_stderr", "max_buffer_size",
    ),
    "the log and the worker decide what is resumed and kept": (
        "continue_conversation", "resume", "session_id", "fork_session", "resume_session_at",
        "resume_drops_turn", "session_store", "session_store_flush", "load_timeout_ms",
        "enable_file_checkpointing",
    ),
    "it names files, programs or users of the host": (
        "cwd", "cli_path", "add_dirs", "settings", "setting_sources", "plugins", "user",
    ),
    "any flag of the CLI could lift the isolation": ("extra_args", "sandbox", "strict_mcp_config"),
    "the model proxy keeps budgets, where an agent cannot reach them": ("max_budget_usd",),
    "thinking replaces it": ("max_thinking_tokens",),
    "it names this product to the API, not an agent": ("client_app",),
}  # fmt: skip
"""Why: the options."""


def test_every_option_is_reachable_or_kept_for_a_reason() -> None:
    kept = [option for options in KEPT.values() for option in options]
    assert len(set(kept)) == len(kept)
    assert not REACHED.keys() & set(kept)
    assert {field.name for field in fields(ClaudeAgentOptions)} == REACHED.keys() | set(kept)


def test_what_is_reachable_has_its_field() -> None:
    limits = {f"limits.{name}" for name in Limits.model_fields}
    assert set(REACHED.values()) <= AgentSpec.model_fields.keys() | limits


@pytest.fixture(params=["spare", "session"])
def spawned(request: pytest.FixtureRequest) -> ClaudeAgentOptions:
    """Options of a CLI that waits for a session, and of one that has its session."""
    gate = Gate(1.0)
    callbacks = Callbacks(gate.pre_tool_use, gate.can_use_tool, lambda line: None, MirrorStore())
    handle = "handle" if request.param == "session" else None
    here = Path("/nowhere")
    return spawn_options(AgentSpec(), Spawn(here, here, {}, callbacks, handle))


def test_no_settings_file_of_the_host_is_read(spawned: ClaudeAgentOptions) -> None:
    assert spawned.setting_sources == []
    assert spawned.settings is None


def test_only_the_definitions_mcp_servers_are_started(spawned: ClaudeAgentOptions) -> None:
    assert spawned.strict_mcp_config
    assert not spawned.mcp_servers
