"""What a definition means for a worker, and how a spec is shown as a definition."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from csp_controlplane.errors import InvalidRequest
from csp_controlplane.gateway.agent_spec import from_spec, to_spec
from csp_controlplane.gateway.agent_tools import TOOLS
from csp_controlplane.gateway.routes.agents import changed
from csp_controlplane.gateway.schemas.agents import AgentCreate, AgentDefinition, AgentOptions
from csp_crds.agent import DEFAULT_TOOLS, AgentSpec, Limits, McpServer, Subagent, Thinking

ASK = {"type": "always_ask"}
ALLOW = {"type": "always_allow"}
AUTO = {"type": "auto"}
ALL = set(DEFAULT_TOOLS)


def spec_of(**fields: Any) -> AgentSpec:
    body = AgentCreate.model_validate({"name": "x", **fields})
    return to_spec(changed(AgentDefinition(name="x"), body))


def toolset(**fields: Any) -> dict[str, Any]:
    return {"type": "agent_toolset_20260401", **fields}


def server(name: str = "git") -> dict[str, Any]:
    return {"type": "url", "name": name, "url": f"https://{name}.example/mcp"}


@pytest.mark.parametrize(
    ("tools", "names", "permissions"),
    [
        (
            None,
            ALL,
            {"Read": "allow", "Glob": "allow", "Grep": "allow", "TodoWrite": "allow",
             "Agent": "allow"},
        ),
        ([], set(), {}),
        (
            [toolset()],
            ALL,
            {**dict.fromkeys([*TOOLS.values(), "NotebookEdit", "TodoWrite", "Agent"], "allow")},
        ),
        (
            [toolset(default_config={"permission_policy": ASK})],
            ALL,
            {"TodoWrite": "allow", "Agent": "allow"},
        ),
        (
            [toolset(default_config={"permission_policy": AUTO})],
            ALL,
            {"Read": "allow", "Glob": "allow", "Grep": "allow", "TodoWrite": "allow",
             "Agent": "allow"},
        ),
        (
            [toolset(default_config={"enabled": False}, configs=[
                {"name": "bash", "enabled": True, "permission_policy": ASK},
                {"name": "read", "enabled": True},
            ])],
            {"Bash", "Read"},
            {"Read": "allow"},
        ),
        (
            [toolset(default_config={"permission_policy": ASK}, configs=[
                {"name": "edit", "enabled": False},
                {"name": "web_search", "permission_policy": ALLOW},
            ])],
            ALL - {"Edit", "NotebookEdit"},
            {"WebSearch": "allow", "TodoWrite": "allow", "Agent": "allow"},
        ),
    ],
)  # fmt: skip
def test_toolsets_become_tools_and_rules(
    tools: Any, names: set[str], permissions: dict[str, str]
) -> None:
    spec = spec_of(tools=tools)
    assert set(spec.tools) == names
    assert spec.permissions == permissions
    assert spec.default_permission == "ask"


@pytest.mark.parametrize(
    ("tool", "rules"),
    [
        ({}, {}),
        ({"default_config": {"permission_policy": ALLOW}}, {"mcp__git": "allow"}),
        ({"default_config": {"enabled": False}}, {"mcp__git": "deny"}),
        (
            {
                "configs": [
                    {"name": "push", "permission_policy": ALLOW},
                    {"name": "rm", "enabled": False},
                ]
            },
            {"mcp__git__push": "allow", "mcp__git__rm": "deny"},
        ),
        (
            {
                "default_config": {"permission_policy": ALLOW},
                "configs": [{"name": "push", "permission_policy": ASK}],
            },
            {"mcp__git": "allow", "mcp__git__push": "ask"},
        ),
    ],
)
def test_mcp_toolsets_become_rules(tool: dict[str, Any], rules: dict[str, str]) -> None:
    spec = spec_of(
        tools=[{"type": "mcp_toolset", "mcp_server_name": "git", **tool}], mcp_servers=[server()]
    )
    assert spec.permissions == rules
    assert spec.mcp_servers == {"git": McpServer(type="http", url="https://git.example/mcp")}
    assert spec.tools == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": "claude-x"}, {"model": "claude-x", "effort": None}),
        ({"model": {"id": "m", "effort": "high"}}, {"model": "m", "effort": "high"}),
        ({"model": {"id": "m", "effort": {"type": "low"}}}, {"model": "m", "effort": "low"}),
        ({"system": "Be brief."}, {"system_prompt": "Be brief."}),
        ({"skills": [{"type": "anthropic", "skill_id": "pdf"}]}, {"skills": ("pdf",)}),
        ({"options": {"permission_mode": "plan"}}, {"permission_mode": "plan"}),
        ({"options": {"limits": {"turn_seconds": 5}}}, {"limits": Limits(turn_seconds=5)}),
        (
            {"options": {"permissions": {"Bash(git status:*)": "allow"}}},
            {
                "permissions": {
                    "Read": "allow",
                    "Glob": "allow",
                    "Grep": "allow",
                    "TodoWrite": "allow",
                    "Agent": "allow",
                    "Bash(git status:*)": "allow",
                }
            },
        ),
        (
            {"tools": [toolset()], "options": {"default_permission": "allow"}},
            {"default_permission": "allow", "permissions": {}},
        ),
        ({"options": {"tools": ["Read"]}}, {"tools": ("Read",)}),
    ],
)
def test_fields_and_options_reach_the_spec(
    fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    spec = spec_of(**fields)
    assert {name: getattr(spec, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tools": [{"type": "custom", "name": "t"}]}, "MCP server instead"),
        ({"tools": [toolset(), toolset()]}, "once only"),
        ({"tools": [{"type": "mcp_toolset", "mcp_server_name": "git"}]}, "does not name 'git'"),
        ({"mcp_servers": [server()]}, "no mcp_toolset for 'git'"),
        ({"mcp_servers": [server(), server()]}, "each name"),
        ({"tools": [toolset(configs=[{"name": "bash"}, {"name": "bash"}])]}, "named twice"),
        ({"tools": [toolset(configs=[{"name": "bash", "type": "edit"}])]}, "contradicts"),
        (
            {"tools": [toolset(configs=[{"name": "web_fetch", "allowed_domains": ["a.b"]}])]},
            "options.permissions",
        ),
        ({"multiagent": {"type": "multiagent_20261001"}}, "options.subagents"),
        ({"options": {"model": "m"}}, "not an option"),
        ({"options": {"system_prompt": "p"}}, "not an option"),
        ({"options": {"env": {"PATH": "/evil"}}}, "set by the worker"),
        ({"options": {"unknown": 1}}, "unknown"),
        (
            {
                "mcp_servers": [server()],
                "tools": [
                    {
                        "type": "mcp_toolset",
                        "mcp_server_name": "git",
                        "default_config": {"enabled": False},
                        "configs": [{"name": "a", "enabled": True}],
                    }
                ],
            },
            "cannot be off while",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(fields: dict[str, Any], words: str) -> None:
    with pytest.raises((ValidationError, InvalidRequest)) as caught:
        spec_of(**fields)
    assert words in str(caught.value)


def test_a_definition_with_nothing_but_a_name_is_the_default_spec() -> None:
    assert to_spec(AgentDefinition(name="Assistant")) == AgentSpec()
    assert from_spec("Assistant", AgentSpec()).options == AgentOptions(default_permission="ask")


PERMISSION = st.sampled_from(["allow", "ask", "deny"])
NAMES = st.text("abcdefgh_-", min_size=1, max_size=8)
SPECS = st.builds(
    AgentSpec,
    model=st.none() | st.just("claude-x"),
    fallback_model=st.none() | st.just("claude-y"),
    system_prompt=st.none() | st.just("You are brief."),
    append_system_prompt=st.none() | st.just("More."),
    tools=st.sets(st.sampled_from(DEFAULT_TOOLS)).map(
        lambda names: tuple(name for name in DEFAULT_TOOLS if name in names)
    ),
    permissions=st.dictionaries(
        st.sampled_from([*DEFAULT_TOOLS, "Bash(git:*)", "mcp__a", "mcp__a__b"]), PERMISSION
    ),
    default_permission=PERMISSION,
    permission_mode=st.sampled_from(["default", "plan", "acceptEdits"]),
    mcp_servers=st.dictionaries(
        NAMES,
        st.just(McpServer(type="http", url="https://a.example"))
        | st.just(McpServer(type="stdio", command="tool", args=("-x",)))
        | st.just(McpServer(type="http", url="https://a.example", headers={"a": "b"})),
        max_size=3,
    ),
    subagents=st.just({}) | st.just({"h": Subagent(description="d", prompt="p")}),
    skills=st.just(()) | st.just(("pdf",)),
    output_schema=st.none() | st.just({"type": "object"}),
    thinking=st.none() | st.just(Thinking(type="enabled", budget_tokens=2048)),
    effort=st.none() | st.just("high"),
    betas=st.just(()) | st.just(("b",)),
    env=st.just({}) | st.just({"A": "b"}),
    verbatim_prompts=st.booleans(),
    limits=st.just(Limits()) | st.just(Limits(max_turns=3)),
)


@settings(max_examples=150, deadline=None)
@given(SPECS)
def test_a_shown_spec_means_the_same(spec: AgentSpec) -> None:
    stored = from_spec("x", spec).stored()
    again = to_spec(AgentDefinition.model_validate(stored))
    assert again.model_dump(exclude={"permissions"}) == spec.model_dump(exclude={"permissions"})
    for rule in {*spec.permissions, *again.permissions}:
        assert again.permissions.get(rule, again.default_permission) == spec.permissions.get(
            rule, spec.default_permission
        )


@settings(max_examples=50, deadline=None)
@given(SPECS)
def test_a_definition_is_the_same_after_it_was_stored(spec: AgentSpec) -> None:
    definition = from_spec("x", spec)
    again = AgentDefinition.model_validate(definition.stored())
    assert again.stored() == definition.stored()
    assert to_spec(again) == to_spec(definition)
