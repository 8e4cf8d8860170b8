"""`csp up` as a process: what it starts, what it survives, what it leaves behind: nothing."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import httpx
import psutil
import pytest

from support.csp_command import CSP
from support.parts_of_stack import GATEWAY, PROXY, WORKER, named, supervisor_pid, wait_warm
from support.processes import ServerProcess, free_port, processes_of
from support.stack import Stack
from support.waiting import wait_until_sync

pytestmark = pytest.mark.timeout(240)  # whole installations, maybe on a busy machine

MODULES = (GATEWAY, WORKER, PROXY, "csp_controlplane.scripted_model")
SERVERS = ("valkey-server", "postgres")


def test_every_part_runs_and_the_link_signs_in_once(stack: Stack) -> None:
    wait_warm(stack)
    for module in MODULES:
        assert stack.pids(module), f"{module} does not run"
    for program in SERVERS:
        assert named(stack, program), f"{program} does not run"
    (link,) = re.findall(r"http://\S+/login\?token=\S+", stack.process.log.read_text())
    with httpx.Client(trust_env=False) as client:
        first = client.post(link)
        assert first.status_code == 303
        assert "HttpOnly" in first.headers["set-cookie"]
        assert client.get(f"{stack.url}/api/v1/me").json()["user"]["email"] == "you@localhost"
    with httpx.Client(trust_env=False) as another:
        assert another.post(link).status_code != 303


def test_output_without_a_terminal_is_plain_and_short(stack: Stack) -> None:
    text = stack.process.log.read_text()
    assert "\x1b" not in text
    assert "Stop with Ctrl-C" in text
    assert len(text.splitlines()) < 20


def test_every_part_logs_json_lines_into_the_data_directory(stack: Stack) -> None:
    wait_warm(stack)
    names = {path.name for path in stack.layout.logs.iterdir()}
    expected = {"gateway.log", "proxy.log", "model.log", "postgres.log", "valkey.log"}
    assert expected | {"supervisor.log"} <= names
    for path in stack.layout.logs.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert all(line.startswith("{") for line in path.read_text().splitlines()), path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_leaves_no_process(own_stack: Stack, number: signal.Signals) -> None:
    wait_warm(own_stack)
    own_stack.process.signal(number)
    wait_until_sync(lambda: not own_stack.process.running, 30, "csp up having ended")
    assert own_stack.process.returncode == 0
    assert own_stack.survivors() == []
    assert not own_stack.layout.run.exists()
    assert not own_stack.layout.instance.exists()


def test_children_that_hang_are_ended_by_force(own_stack: Stack) -> None:
    wait_warm(own_stack)
    for pid in (
        *own_stack.pids(GATEWAY),
        *own_stack.pids(WORKER),
        *own_stack.pids(PROXY),
        *named(own_stack, "valkey-server"),
    ):
        os.kill(pid, signal.SIGSTOP)
    own_stack.process.signal(signal.SIGINT)
    wait_until_sync(lambda: not own_stack.process.running, 60, "csp up having ended")
    assert own_stack.process.returncode == 0
    assert own_stack.survivors() == []


def test_a_second_ctrl_c_does_not_wait(own_stack: Stack) -> None:
    for pid in own_stack.pids(GATEWAY):
        os.kill(pid, signal.SIGSTOP)
    own_stack.process.signal(signal.SIGINT)
    wait_until_sync(
        lambda: "Stopping" in own_stack.process.log.read_text(), 10, "the first being heard"
    )
    asked = time.monotonic()
    own_stack.process.signal(signal.SIGINT)
    wait_until_sync(lambda: not own_stack.process.running, 10, "csp up having ended")
    assert time.monotonic() - asked < 5
    assert own_stack.process.returncode == 130
    assert own_stack.survivors() == []


@pytest.mark.parametrize("stage", ["Starting the database", "Preparing", "Starting the gateway"])
def test_ctrl_c_while_it_starts_leaves_no_process(tmp_path: Path, stage: str) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    environment = {"CSP_DATA_DIR": str(data), "ANTHROPIC_API_KEY": ""}
    arguments = [CSP, "up", "--port", str(free_port())]
    with ServerProcess(arguments, log=log, environment=environment) as process:
        wait_until_sync(lambda: stage in log.read_text(), 60, stage)
        process.signal(signal.SIGINT)
        wait_until_sync(lambda: not process.running, 60, "csp up having ended")
        assert process.returncode == 0
        assert "Traceback" not in log.read_text()
    assert processes_of(data) == []


def test_no_part_but_the_proxy_sees_the_key_and_workers_see_no_address() -> None:
    secret = "sk-ant-secret-for-this-test"
    with Stack(environment={"ANTHROPIC_API_KEY": secret}) as stack:
        wait_warm(stack)
        assert stack.pids("csp_controlplane.scripted_model") == []
        seen = {}
        for process in stack.survivors():
            if process.pid in (stack.process.pid, supervisor_pid(stack)):
                continue
            seen[process.pid] = environment_of(process)
        assert [pid for pid, text in seen.items() if secret in text] == [stack.pid(PROXY)]
        assert stack.pids(WORKER)
        for pid in stack.pids(WORKER):
            assert "CSP_DATABASE" not in seen[pid]
            assert "CSP_REDIS" not in seen[pid]
            assert "SIGNING" not in seen[pid]


def environment_of(process: psutil.Process) -> str:
    """What it was started with; nothing of a process that is closed to its own user."""
    try:
        return "\n".join(f"{k}={v}" for k, v in process.environ().items())
    except psutil.AccessDenied:
        assert any("csp_worker" in word or "workers/" in word for word in process.cmdline())
        return ""


def test_two_gateways_listen_on_neighbouring_ports() -> None:
    with Stack("--gateways", "2") as stack:
        first, second = stack.instance.ports
        assert second == first + 1
        for port in (first, second):
            answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/health/live", trust_env=False)
            assert answer.status_code == 200
