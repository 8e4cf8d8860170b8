"""`csp chat` against a whole installation: in a terminal, and without one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest

from csp_controlplane.supervisor.errors import ExitCode
from support.csp_command import CSP, csp
from support.stack import Stack
from support.terminal import CTRL_C, CTRL_D, TerminalProcess

pytestmark = pytest.mark.timeout(240)  # whole installations, maybe on a busy machine

GO_ON = r"Go on with: csp chat --resume (sesn_\w+)"


def chat(
    stack: Stack, *arguments: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return csp("chat", *arguments, data=stack.layout.data, stdin=stdin, **environment)


def in_terminal(stack: Stack, *arguments: str) -> TerminalProcess:
    return TerminalProcess([CSP, "chat", *arguments], {"CSP_DATA_DIR": str(stack.layout.data)})


def session_of(done: subprocess.CompletedProcess[str]) -> str:
    found = re.search(GO_ON, done.stderr)
    assert found, done.stderr
    return found.group(1)


def test_the_answer_is_on_standard_output_and_the_session_can_go_on(stack: Stack) -> None:
    first = chat(stack, "hello")
    assert first.returncode == 0, first.stderr
    assert "scripted model" in first.stdout
    assert "csp chat" not in first.stdout
    session = session_of(first)
    second = chat(stack, "--resume", session, "write a long answer")
    assert second.returncode == 0, second.stderr
    assert session_of(second) == session
    assert first.stdout.strip() not in second.stdout
    listed = csp("sessions", data=stack.layout.data)
    assert session in listed.stdout
    assert "hello" in listed.stdout


def test_a_prompt_may_come_by_pipe(stack: Stack) -> None:
    done = chat(stack, stdin="hello\n")
    assert done.returncode == 0, done.stderr
    assert "scripted model" in done.stdout


def test_without_a_terminal_tools_are_denied(stack: Stack) -> None:
    done = chat(stack, "run: touch made-by-tool && echo ran-for-real")
    assert done.returncode == 0, done.stderr
    assert "Bash" in done.stderr
    assert "Nobody is at the terminal" in done.stderr
    assert not (stack.layout.workspaces / session_of(done) / "made-by-tool").exists()


def test_approve_lets_tools_run_and_shows_what_they_print(stack: Stack) -> None:
    done = chat(stack, "--approve", "run: touch made-by-tool && echo ran-$((40+2))")
    assert done.returncode == 0, done.stderr
    assert "ran-42" in done.stderr
    assert (stack.layout.workspaces / session_of(done) / "made-by-tool").exists()


def test_json_lines_are_the_log(stack: Stack) -> None:
    done = chat(stack, "--json", "hello")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    types = [event["type"] for event in events]
    assert types[0] == "user.message"
    assert {"span.turn_start", "agent.message", "span.turn_end"} <= set(types)


def test_a_tool_is_allowed_with_a_key_press_and_always_lasts(stack: Stack) -> None:
    with in_terminal(stack, "run: echo first-$((1+1))") as terminal:
        terminal.expect(r"Allow Bash.*echo first")
        terminal.expect("always in this session")
        terminal.enter("a")
        terminal.expect("first-2")
        session = terminal.expect(GO_ON).split()[-1]
        assert terminal.wait() == 0
    with in_terminal(stack, "--resume", session, "run: echo first-$((1+1))") as terminal:
        terminal.expect("first-2")
        terminal.expect(GO_ON)
        assert terminal.wait() == 0
        assert "Allow Bash" not in terminal.seen


def test_a_denial_in_words_reaches_the_agent(stack: Stack) -> None:
    with in_terminal(stack, "run: echo should-not-run-$((1+1))") as terminal:
        terminal.expect(r"what to do instead")
        terminal.enter("please use another way")
        terminal.expect("please use another way[^\n]*\n(.|\n)*please use another way")
        terminal.expect(GO_ON)
        assert terminal.wait() == 0
        assert "should-not-run-2" not in terminal.seen


def test_a_question_is_answered_by_number(stack: Stack) -> None:
    with in_terminal(stack, "ask me something") as terminal:
        label = terminal.expect(r"1\. [\w ]+").removeprefix("1. ").split("  ")[0].strip()
        terminal.expect("A number|Numbers")
        terminal.enter("1")
        terminal.expect(re.escape(label))
        while "Go on with" not in terminal.seen:
            if terminal.expect(r"(A number|Numbers)[^:]*: |Go on with").startswith(("A", "N")):
                terminal.enter("1")
        assert terminal.wait() == 0


def test_ctrl_c_stops_the_turn(stack: Stack) -> None:
    with in_terminal(stack, "--approve", "run: sleep 60") as terminal:
        terminal.expect("● Bash")
        terminal.press(CTRL_C)
        terminal.expect(r"Interrupting\.")
        terminal.expect(GO_ON, 20)
        assert terminal.wait() == ExitCode.INTERRUPTED


def test_a_conversation_goes_turn_by_turn_until_ctrl_d(stack: Stack) -> None:
    with in_terminal(stack) as terminal:
        terminal.expect("> ")
        terminal.enter("hello")
        terminal.expect("scripted model")
        terminal.expect("\n> ")
        terminal.enter("think about it")
        terminal.expect("\n> ")
        terminal.press(CTRL_D)
        terminal.expect(GO_ON)
        assert terminal.wait() == 0


@pytest.mark.faults
def test_a_gateway_that_dies_is_waited_for_and_the_answer_completed(stack: Stack) -> None:
    with in_terminal(stack, "run: sleep 3; echo after-$((1+1))") as terminal:
        terminal.expect("what to do instead")
        os.kill(stack.pid("csp_controlplane.gateway"), signal.SIGKILL)
        terminal.enter("y")
        terminal.expect("connection is lost")
        terminal.expect("after-2")
        terminal.expect(GO_ON)
        assert terminal.wait() == 0


def test_a_session_that_is_not_there_is_one_sentence(stack: Stack) -> None:
    done = chat(stack, "--resume", "sesn_00000000000000000000000000", "hello")
    assert done.returncode == ExitCode.REFUSED
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("csp: ")


def test_a_key_for_another_gateway_is_used_as_given(stack: Stack) -> None:
    elsewhere = stack.directory / "elsewhere"
    good = csp("sessions", data=elsewhere, CSP_URL=stack.url, CSP_API_KEY=stack.api_key)
    assert good.returncode == 0, good.stderr
    bad = csp("sessions", data=elsewhere, CSP_URL=stack.url, CSP_API_KEY="csp_wrong")
    assert bad.returncode == ExitCode.REFUSED
    assert "API key" in bad.stderr
    without = csp("sessions", data=elsewhere, CSP_URL=stack.url)
    assert without.returncode == ExitCode.REFUSED


async def test_a_key_made_for_a_command_ends_with_it(stack: Stack) -> None:
    assert csp("sessions", data=stack.layout.data).returncode == 0
    async with stack.client() as client:
        keys = (await client.get("/api_keys")).json()["data"]
    assert [key["name"] for key in keys if key["name"].startswith("csp ")] == []
