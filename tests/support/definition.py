"""An agent definition in which every field is set, and how each one shows in the CLI.

One list for the worker's tests and for the runtimes': a field that is added to AgentSpec and not
here fails both.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psutil

from csp_crds.agent import AgentSpec
from support import mcp_echo
from support.worker_client import Gateway, ModelRequests, script, spec, tool

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
FIXED: dict[str, Any] = {
    "tools": ("Bash", "Read", "Agent"),
    "fallback_model": "claude-haiku-4-5",
    "betas": ("context-1m-2025-08-07",),
    "output_schema": SCHEMA,
    "skills": ("simplify",),
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "verbatim_prompts": True,
    "mcp_servers": {
        "echo": {
            "type": "stdio",
            "command": sys.executable,
            "args": [str(Path(mcp_echo.__file__))],
            "env": {"GIVEN": "1"},
        }
    },
}
CLAIMED: dict[str, Any] = {
    "model": "claude-opus-4-5",
    "system_prompt": "You are SYSTEM-PROMPT-HERE.",
    "append_system_prompt": "And APPENDED-HERE.",
    "subagents": {
        "surveyor": {"description": "Surveys SURVEY-HERE.", "prompt": "You survey.",
                     "tools": ["Read"], "model": "haiku"}
    },
    "effort": "low",
    "env": {"GIVEN_BY_DEFINITION": "env-here"},
    "permissions": {"Bash": "allow", "mcp__echo": "allow"},
    "default_permission": "ask",
    "permission_mode": "acceptEdits",
    "limits": {"max_turns": 7, "task_budget_tokens": 50_000},
}  # fmt: skip
AGENT = spec(**{**FIXED, **CLAIMED})
OBSERVED_ELSEWHERE = {
    # by test_policy, test_permissions and test_death
    "permissions", "default_permission", "limits",
}  # fmt: skip


TYPED = "/compact look at @/etc/hostname"
"""What a CLI that expands prompts takes for a command and for the contents of a file."""
SPARE = spec(**FIXED, limits=CLAIMED["limits"])
"""What a spare is started with that can become AGENT."""


async def fields_that_do_not_arrive(
    bound: Gateway, model_requests: ModelRequests, pid: int
) -> set[str]:
    """Runs a turn of AGENT in a worker (`pid`) that is bound and attached."""
    end = await bound.turn(
        f"{TYPED} "
        + script(
            tool("Bash", command="echo $GIVEN_BY_DEFINITION"),
            tool("mcp__echo__shout", text="loud"),
            tool("StructuredOutput", a="x"),
        ),
        40,
    )
    requests = await model_requests(bound)
    first = requests[0]
    system = json.dumps(first["system"])
    command = arguments(pid)
    seen = {
        "model": first["model"] == "claude-opus-4-5",
        "fallback_model": value_of(command, "--fallback-model") == "claude-haiku-4-5",
        "system_prompt": "SYSTEM-PROMPT-HERE" in system,
        "append_system_prompt": "APPENDED-HERE" in system,
        "tools": {"Bash", "Read", "Agent"} <= set(first["tools"])
        and not {"Write", "Edit", "Glob"} & set(first["tools"]),
        "permission_mode": await mode_of(bound) == "acceptEdits",
        "mcp_servers": result_of(bound, "agent.mcp_tool_result") == "LOUD",
        "subagents": "SURVEY-HERE" in json.dumps(first["messages"]) + system,
        "skills": "Skill" in first["tools"],
        "output_schema": end["structured_output"] == {"a": "x"},
        "thinking": first["thinking"]["budget_tokens"] == 2048,
        "effort": (first.get("output_config") or {}).get("effort") == "low",
        "betas": "context-1m-2025-08-07" in first["headers"]["anthropic-beta"],
        "env": result_of(bound, "agent.tool_result") == "env-here",
        "verbatim_prompts": is_as_typed(json.dumps(first["messages"])),
    }
    assert set(AgentSpec.model_fields) - OBSERVED_ELSEWHERE == set(seen)
    seen["limits.max_turns"] = value_of(command, "--max-turns") == "7"
    seen["limits.task_budget_tokens"] = value_of(command, "--task-budget") == "50000"
    seen["the handle"] = first["headers"]["x-api-key"] == bound.handle
    return {name for name, reached in seen.items() if not reached}


def is_as_typed(asked: str) -> bool:
    """Whether the model was asked TYPED itself, and not for what it may stand for."""
    contents = Path("/etc/hostname").read_text().strip()
    return TYPED in asked and f"{contents}\\n" not in asked


def arguments(pid: int) -> list[str]:
    """The command line of the CLI below this worker."""
    below = psutil.Process(pid).children(recursive=True)
    return next(process.cmdline() for process in below if process.name() == "claude")


def value_of(command: list[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def result_of(gateway: Gateway, event_type: str) -> str:
    results = gateway.log.of(event_type)
    text: str = results[0]["content"][0]["text"] if results else ""
    return text


async def mode_of(gateway: Gateway) -> str:
    """What the CLI has written about its mode into its own transcript."""
    for _, line in gateway.log.transcript:
        if (mode := json.loads(line).get("permissionMode")) is not None:
            return str(mode)
    return ""
