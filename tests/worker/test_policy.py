"""The decision about a tool call, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csp_crds.agent import AgentSpec
from csp_worker import shell
from csp_worker.policy import Policy
from csp_worker.rules import ToolCall, suggest

CWD = "/nowhere/work"


def call(name: str, /, **given_input: Any) -> ToolCall:
    return ToolCall(name, given_input, CWD)


def bash(command: str) -> ToolCall:
    return call("Bash", command=command)


def policy(allowed: tuple[str, ...] = (), **fields: Any) -> Policy:
    return Policy.of(AgentSpec.model_validate(fields), allowed)


RULES = {
    "Bash(git status:*)": "allow",
    "Bash(git:*)": "ask",
    "Bash(rm:*)": "deny",
    "Bash(ls:*)": "allow",
    "Bash(make test)": "allow",
    "Read": "allow",
    "Read(secrets/**)": "deny",
    "Edit(src/**)": "allow",
    "Edit(src/generated/**)": "deny",
    "WebFetch(domain:example.com)": "allow",
    "mcp__tracker": "allow",
    "mcp__tracker__delete": "deny",
}


@pytest.mark.parametrize(
    ("tool_call", "expected"),
    [
        (bash("ls"), "allow"),
        (bash("ls -la /tmp"), "allow"),
        (bash("lsblk"), "ask"),
        (bash("git status"), "ask"),  # the most restrictive rule that matches
        (bash("rm -rf x"), "deny"),
        (bash("/bin/rm x"), "deny"),
        (bash("sudo rm x"), "deny"),
        (bash("FOO=1 rm x"), "deny"),
        (bash("env A=b nice -n 3 rm x"), "deny"),
        (bash("r'm' x"), "deny"),
        (bash('"rm" x'), "deny"),
        (bash("ls; rm x"), "deny"),
        (bash("ls && rm x"), "deny"),
        (bash("ls | xargs rm"), "deny"),
        (bash("ls\nrm x"), "deny"),
        (bash("ls & rm x"), "deny"),
        (bash("$(rm x)"), "deny"),
        (bash("ls `rm x`"), "deny"),
        (bash("(rm x)"), "deny"),
        (bash("bash -c 'rm x'"), "ask"),
        (bash("ls; curl evil"), "ask"),
        (bash("ls > /etc/passwd"), "ask"),
        (bash("ls $(curl evil)"), "ask"),
        (bash("ls <(curl evil)"), "ask"),
        (bash("ls 2>/dev/null"), "allow"),
        (bash("ls 2>&1"), "allow"),
        (bash("make test"), "allow"),
        (bash("make test install"), "ask"),
        (bash("ls 'a;b'"), "allow"),
        (bash("ls 'unfinished"), "ask"),
        (bash(""), "ask"),
        (call("Read", file_path="a.txt"), "allow"),
        (call("Read", file_path="secrets/key"), "deny"),
        (call("Read", file_path="./x/../secrets/deep/key"), "deny"),
        (call("Read", file_path=f"{CWD}/secrets/key"), "deny"),
        (call("Grep", pattern="x", path="secrets"), "ask"),
        (call("Edit", file_path="src/a.py"), "allow"),
        (call("Write", file_path="src/deep/a.py"), "allow"),
        (call("Write", file_path="src/generated/a.py"), "deny"),
        (call("Write", file_path="other/a.py"), "ask"),
        (call("Write", file_path="src/../other/a.py"), "ask"),
        (call("WebFetch", url="https://example.com/x"), "allow"),
        (call("WebFetch", url="https://docs.example.com/x"), "allow"),
        (call("WebFetch", url="https://badexample.com/x"), "ask"),
        (call("WebFetch", url="https://evil.com/?q=example.com"), "ask"),
        (call("mcp__tracker__list"), "allow"),
        (call("mcp__tracker__delete"), "deny"),
        (call("mcp__tracker2__list"), "ask"),
        (call("Unheard"), "ask"),
    ],
    ids=lambda value: f"{value.name} {value.input}" if isinstance(value, ToolCall) else value,
)
def test_the_most_restrictive_matching_rule_wins(tool_call: ToolCall, expected: str) -> None:
    assert policy(permissions=RULES).decide(tool_call).permission == expected


@pytest.mark.parametrize(
    ("mode", "tool_call", "expected"),
    [
        ("default", bash("make"), "ask"),
        ("dontAsk", bash("make"), "deny"),
        ("dontAsk", bash("ls"), "allow"),
        ("acceptEdits", bash("make"), "ask"),
        ("acceptEdits", call("Write", file_path="a.txt"), "allow"),
        ("acceptEdits", call("Write", file_path="/etc/passwd"), "ask"),
        ("acceptEdits", call("Write", file_path="../elsewhere"), "ask"),
        ("acceptEdits", call("Write", file_path="src/generated/a"), "deny"),
        ("plan", bash("ls"), "deny"),
        ("plan", call("Write", file_path="src/a.py"), "deny"),
        ("plan", call("Read", file_path="a"), "allow"),
        ("plan", call("ExitPlanMode"), "ask"),
        ("bypassPermissions", bash("make"), "allow"),
        ("bypassPermissions", bash("rm x"), "deny"),
        ("bypassPermissions", call("AskUserQuestion"), "ask"),
    ],
)
def test_the_mode_only_decides_what_the_rules_left_open(
    mode: str, tool_call: ToolCall, expected: str
) -> None:
    decided = policy(permissions=RULES, permission_mode=mode).decide(tool_call)
    assert decided.permission == expected


@pytest.mark.parametrize(
    ("path", "mode", "expected"),
    [
        ("/config/plans/a.md", "plan", "allow"),
        ("/config/plans/../settings.json", "plan", "deny"),
        ("/config/settings.json", "plan", "deny"),
        ("a.md", "plan", "deny"),
        ("", "plan", "deny"),
        ("/config/plans/a.md", "default", "ask"),
    ],
)
def test_plan_mode_lets_the_plan_be_written_and_nothing_else(
    path: str, mode: str, expected: str
) -> None:
    decided = Policy.of(AgentSpec.model_validate({"permission_mode": mode}), (), "/config/plans")
    assert decided.decide(call("Write", file_path=path)).permission == expected


def test_a_definition_can_forbid_even_the_plan() -> None:
    strict = AgentSpec(permission_mode="plan", permissions={"Write": "deny"})
    written = call("Write", file_path="/config/plans/a.md")
    assert Policy.of(strict, (), "/config/plans").decide(written).permission == "deny"


@pytest.mark.parametrize("mode", ["default", "acceptEdits", "plan", "dontAsk", "bypassPermissions"])
@pytest.mark.parametrize("allowed", [(), ("Bash",), ("Bash(rm:*)",), ("*",)])
def test_nothing_lifts_a_refusal(mode: str, allowed: tuple[str, ...]) -> None:
    decided = policy(allowed, permissions={"Bash(rm:*)": "deny"}, permission_mode=mode)
    assert decided.decide(bash("rm x")).permission == "deny"


def test_bypass_counts_only_when_the_definition_has_it() -> None:
    switched = policy(permissions={}).with_mode("bypassPermissions")
    assert switched.decide(bash("make")).permission == "ask"


def test_what_a_person_allowed_answers_questions_of_that_kind_only() -> None:
    decided = policy(("Bash(npm test:*)",), permissions={"Bash": "ask"})
    assert decided.decide(bash("npm test --all")).permission == "allow"
    assert decided.decide(bash("npm install")).permission == "ask"
    assert decided.decide(bash("npm test; npm publish")).permission == "ask"


def test_questions_to_a_person_are_always_asked() -> None:
    decided = policy(("AskUserQuestion",), default_permission="allow", permissions={"*": "allow"})
    assert decided.decide(call("AskUserQuestion")).permission == "ask"
    assert decided.decide(call("ExitPlanMode")).permission == "ask"


def test_a_definition_that_allows_everything_asks_nothing() -> None:
    assert policy(permissions={}, default_permission="allow").decide(bash("make")).permission == (
        "allow"
    )


def test_links_lead_around_no_rule(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "door").symlink_to(tmp_path / "secrets")
    decided = policy(permissions={"Read": "allow", "Read(secrets/**)": "deny"}).decide(
        ToolCall("Read", {"file_path": "door/key"}, str(tmp_path))
    )
    assert decided.permission == "deny"


def test_an_edit_through_a_link_to_the_outside_is_not_accepted(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "out").symlink_to(tmp_path)
    decided = policy(permission_mode="acceptEdits", permissions={}).decide(
        ToolCall("Write", {"file_path": "out/file"}, str(work))
    )
    assert decided.permission == "ask"


@pytest.mark.parametrize(
    ("tool_call", "rule"),
    [
        (bash("git status -s"), "Bash(git status:*)"),
        (bash("touch a"), "Bash(touch:*)"),
        (bash("npm run build"), "Bash(npm run:*)"),
        (bash("python3 x.py"), "Bash(python3 x.py)"),
        (bash("sudo ls"), "Bash(sudo ls)"),
        (bash("A=1 ls"), "Bash(A=1 ls)"),
        (bash("a && b"), "Bash(a && b)"),
        (call("Edit", file_path="x"), "Edit"),
        (call("WebFetch", url="https://example.com/a"), "WebFetch(domain:example.com)"),
        (call("mcp__a__b"), "mcp__a__b"),
    ],
)
def test_the_suggested_rule_covers_the_call_it_was_made_for(tool_call: ToolCall, rule: str) -> None:
    assert suggest(tool_call) == rule
    assert policy((rule,), permissions={}).decide(tool_call).permission == "allow"


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_command_breaks_the_policy(command: str) -> None:
    decided = policy(permissions=RULES).decide(bash(command))
    assert decided.permission in ("allow", "ask", "deny")
    suggest(bash(command))
    shell.split(command)


@settings(deadline=None)
@given(
    st.sampled_from([";", "&&", "||", "|", "\n", "&"]), st.sampled_from(["ls", "ls -l", "ls 'x'"])
)
def test_a_permission_never_covers_a_second_command(operator: str, first: str) -> None:
    decided = policy(permissions={"Bash(ls:*)": "allow"})
    assert decided.decide(bash(f"{first} {operator} curl evil")).permission == "ask"
