"""Every option of the SDK is reachable from an agent definition, or a page says why it is not.

An option that a newer SDK brings fails this until somebody has decided about it. What isolates an
agent from its host is always there.
"""

from __future__ import annotations

import re
from dataclasses import asdict, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from claude_agent_sdk import AgentDefinition as SdkAgentDefinition
from claude_agent_sdk import ClaudeAgentOptions

from csp_crds.agent import AgentSpec, Limits, Subagent
from csp_worker.claim import claim_requests
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

SUBAGENT = {
    "description": "description",
    "prompt": "prompt",
    "tools": "tools",
    "disallowedTools": "disallowed_tools",
    "model": "model",
    "skills": "skills",
    "maxTurns": "max_turns",
    "background": "background",
    "effort": "effort",
}
"""The same for an option of a subagent."""

PAGE = Path(__file__).parents[2] / "docs/reference/agent-options.md"
WHOLE = Subagent(
    description="d",
    prompt="p",
    tools=("Read",),
    disallowed_tools=("Bash",),
    model="haiku",
    skills=("simplify",),
    max_turns=3,
    background=True,
    effort="high",
)


def held_back(heading: str) -> list[str]:
    """The options in the first column of this part of the page."""
    part = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    return [option for row in rows for option in re.findall(r"`(\w+)`", row.split("|")[1])]


@pytest.mark.parametrize(
    ("heading", "options", "reached"),
    [
        ("Of the agent", ClaudeAgentOptions, REACHED),
        ("Of a subagent", SdkAgentDefinition, SUBAGENT),
    ],
)
def test_every_option_is_reachable_or_held_back_for_a_reason(
    heading: str, options: type, reached: dict[str, str]
) -> None:
    kept = held_back(heading)
    assert len(set(kept)) == len(kept)
    assert not reached.keys() & set(kept)
    assert {field.name for field in fields(options)} == reached.keys() | set(kept)


def test_what_is_reachable_has_its_field() -> None:
    limits = {f"limits.{name}" for name in Limits.model_fields}
    assert set(REACHED.values()) <= AgentSpec.model_fields.keys() | limits
    assert set(SUBAGENT.values()) == Subagent.model_fields.keys()


def test_a_subagent_is_the_same_for_a_spare_and_for_a_cold_start(tmp_path: Path) -> None:
    agent = AgentSpec(subagents={"helper": WHOLE})
    claimed = next(
        request["agents"]["helper"]
        for request in claim_requests(agent, tmp_path, "handle")
        if "agents" in request
    )
    calls: Any = SimpleNamespace(pre_tool_use=None, can_use_tool=None, stderr=None, store=None)
    spawn = Spawn(tmp_path / "cli", tmp_path, {}, calls, "handle")
    definition = (spawn_options(agent, spawn).agents or {})["helper"]
    assert claimed == {name: value for name, value in asdict(definition).items() if value}
    assert claimed.keys() == SUBAGENT.keys()
    for option, field in SUBAGENT.items():
        value = getattr(WHOLE, field)
        assert claimed[option] == (list(value) if isinstance(value, tuple) else value)


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
