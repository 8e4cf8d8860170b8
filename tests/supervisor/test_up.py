"""`csp up` as a process: what it starts, what it survives, what it leaves behind: nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from support.csp_command import CSP
from support.processes import ServerProcess, free_port, listens, processes_of
from support.stack import Stack
from support.waiting import wait_until_sync

pytestmark = pytest.mark.timeout(240)  # whole installations, maybe on a busy machine

GATEWAY = "csp_controlplane.gateway"
WORKER = "csp_worker"
PROXY = "csp_controlplane.proxy"
MODULES = (GATEWAY, WORKER, PROXY, "csp_controlplane.scripted_model")
SERVERS = ("valkey-server", "postgres")


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """For tests that break it."""
    stack = Stack()
    stack.start()
    yield stack
    stack.close()


def named(stack: Stack, program: str) -> list[int]:
    """Processes of a program that is not one of our modules."""
    return [process.pid for process in stack.survivors() if process.name() == program]


def supervisor_pid(stack: Stack) -> int:
    """The guardian's only child."""
    (child,) = psutil.Process(stack.process.pid).children()
    return child.pid


def warm(stack: Stack) -> int:
    """Spares that are ready, as the gateway tells."""
    answer = httpx.get(f"{stack.url}/api/v1/health/ready", timeout=5, trust_env=False)
    (count,) = re.findall(r"^(\d+) of", answer.json()["checks"]["warm_spares"]["message"])
    return int(count)


def wait_warm(stack: Stack) -> None:
    wait_until_sync(lambda: warm(stack) >= 1, 60, "a warm spare")


def wait_nothing_left(stack: Stack, deadline: float) -> None:
    wait_until_sync(lambda: not stack.survivors(), deadline, "every process being gone")


def test_every_part_runs_and_the_link_signs_in_once(stack: Stack) -> None:
    wait_warm(stack)
    for module in MODULES:
        assert stack.pids(module), f"{module} does not run"
    for program in SERVERS:
        assert named(stack, program), f"{program} does not run"
    (link,) = re.findall(r"http://\S+/login\?token=\S+", stack.process.log.read_text())
    with httpx.Client(trust_env=False) as client:
        first = client.get(link)
        assert first.status_code == 303
        assert "HttpOnly" in first.headers["set-cookie"]
        assert client.get(f"{stack.url}/api/v1/me").json()["user"]["email"] == "you@localhost"
    with httpx.Client(trust_env=False) as another:
        assert another.get(link).status_code != 303


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


@pytest.fixture
def busy_stack(own_stack: Stack) -> Iterator[Stack]:
    """An agent is running a command that it put into a session of its own."""
    command = "run: touch started; setsid sleep 4242 & sleep 4242"
    chat = subprocess.Popen(
        [CSP, "chat", "--approve", command],
        env={**os.environ, "CSP_DATA_DIR": str(own_stack.layout.data)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until_sync(lambda: len(named(own_stack, "sleep")) == 2, 90, "the agent's commands")
    chat.kill()
    chat.wait()
    yield own_stack


@pytest.mark.faults
def test_killing_the_supervisor_leaves_nothing_of_an_agents_commands_either(
    busy_stack: Stack,
) -> None:
    os.kill(supervisor_pid(busy_stack), signal.SIGKILL)
    wait_nothing_left(busy_stack, 8)


@pytest.mark.faults
def test_killing_a_worker_ends_its_agents_commands_and_nothing_else(busy_stack: Stack) -> None:
    gateway = busy_stack.pid(GATEWAY)
    (sleeping, *_) = named(busy_stack, "sleep")
    (worker,) = {parent.pid for parent in psutil.Process(sleeping).parents()} & set(
        busy_stack.pids(WORKER)
    )
    os.kill(worker, signal.SIGKILL)
    wait_until_sync(lambda: not named(busy_stack, "sleep"), 8, "the commands being gone")
    assert busy_stack.pid(GATEWAY) == gateway


@pytest.mark.faults
def test_killing_guardian_and_supervisor_at_once_leaves_nothing(own_stack: Stack) -> None:
    wait_warm(own_stack)
    pids = (own_stack.process.pid, supervisor_pid(own_stack))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_nothing_left(own_stack, 10)


def postmaster(stack: Stack) -> int:
    """The database server's first process."""
    return int((stack.layout.postgres / "postmaster.pid").read_text().split()[0])


@pytest.mark.faults
def test_a_database_server_that_survived_everything_is_ended_by_the_next_start(
    own_stack: Stack,
) -> None:
    hanging = postmaster(own_stack)
    for pid in (hanging, own_stack.process.pid, supervisor_pid(own_stack)):
        os.kill(pid, signal.SIGSTOP)
    os.kill(supervisor_pid(own_stack), signal.SIGKILL)
    os.kill(own_stack.process.pid, signal.SIGKILL)
    wait_until_sync(lambda: not own_stack.process.running, 5, "csp up being gone")
    assert psutil.pid_exists(hanging)
    own_stack.start()
    assert not psutil.pid_exists(hanging)
    assert postmaster(own_stack) != hanging


@pytest.mark.faults
def test_killing_the_supervisor_leaves_nothing_even_of_what_hangs(own_stack: Stack) -> None:
    wait_warm(own_stack)
    os.kill(postmaster(own_stack), signal.SIGSTOP)
    os.kill(supervisor_pid(own_stack), signal.SIGKILL)
    wait_nothing_left(own_stack, 8)
    wait_until_sync(lambda: not own_stack.process.running, 5, "csp up having ended")
    assert own_stack.process.returncode == 128 + signal.SIGKILL
    assert "Start it again with `csp up`" in own_stack.process.log.read_text()


@pytest.mark.faults
def test_killing_the_guardian_stops_everything_in_order(own_stack: Stack) -> None:
    wait_warm(own_stack)
    own_stack.process.kill()
    wait_nothing_left(own_stack, 20)


@pytest.mark.faults
async def test_after_everything_was_killed_the_next_start_has_lost_nothing(
    own_stack: Stack,
) -> None:
    async with own_stack.client() as client:
        made = (await client.post("/sessions", json={"title": "kept"})).json()
    own_stack.kill_everything()
    wait_nothing_left(own_stack, 5)
    assert (own_stack.layout.postgres / "postmaster.pid").exists()
    own_stack.start()
    async with own_stack.client() as client:
        found = (await client.get(f"/sessions/{made['id']}")).json()
    assert found["title"] == "kept"


@pytest.mark.faults
def test_a_gateway_that_is_killed_comes_back_and_takes_no_worker_along(own_stack: Stack) -> None:
    wait_warm(own_stack)
    workers, gateway = own_stack.pids(WORKER), own_stack.pid(GATEWAY)
    os.kill(gateway, signal.SIGKILL)
    wait_until_sync(
        lambda: (
            own_stack.pids(GATEWAY) not in ([], [gateway]) and listens(own_stack.instance.ports[0])
        ),
        30,
        "another gateway",
    )
    assert own_stack.pids(WORKER) == workers
    assert "The gateway stopped (killed by SIGKILL)" in own_stack.process.log.read_text()


@pytest.mark.faults
def test_a_part_that_keeps_dying_is_told_in_words_with_its_log(own_stack: Stack) -> None:
    def die_again(last: int) -> int:
        (pid,) = wait_until_sync(
            lambda: [pid for pid in own_stack.pids(PROXY) if pid != last], 30, "the proxy"
        )
        os.kill(pid, signal.SIGKILL)
        return int(pid)

    pid = 0
    for _ in range(3):
        pid = die_again(pid)
    log = own_stack.process.log
    wait_until_sync(lambda: "keeps stopping" in log.read_text(), 10, "the crash loop being told")
    text = log.read_text()
    assert "The model proxy keeps stopping (3 times in a row" in text
    assert str(own_stack.layout.logs / "proxy.log") in text


@pytest.mark.faults
def test_a_database_that_is_killed_comes_back(own_stack: Stack) -> None:
    first = postmaster(own_stack)
    os.kill(first, signal.SIGKILL)

    def ready() -> bool:
        answer = httpx.get(f"{own_stack.url}/api/v1/health/ready", timeout=5, trust_env=False)
        file = own_stack.layout.postgres / "postmaster.pid"
        again = file.exists() and postmaster(own_stack) != first
        return again and answer.status_code == 200

    wait_until_sync(ready, 30, "the database being back")


def test_no_part_but_the_proxy_sees_the_key_and_workers_see_no_address() -> None:
    secret = "sk-ant-secret-for-this-test"
    with Stack(environment={"ANTHROPIC_API_KEY": secret}) as stack:
        wait_warm(stack)
        assert stack.pids("csp_controlplane.scripted_model") == []
        seen = {}
        for process in stack.survivors():
            if process.pid in (stack.process.pid, supervisor_pid(stack)):
                continue
            environment = "\n".join(f"{k}={v}" for k, v in process.environ().items())
            seen[process.pid] = environment
        assert [pid for pid, text in seen.items() if secret in text] == [stack.pid(PROXY)]
        for pid in stack.pids(WORKER):
            assert "CSP_DATABASE" not in seen[pid]
            assert "CSP_REDIS" not in seen[pid]
            assert "SIGNING" not in seen[pid]


def test_two_gateways_listen_on_neighbouring_ports() -> None:
    with Stack("--gateways", "2") as stack:
        first, second = stack.instance.ports
        assert second == first + 1
        for port in (first, second):
            answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/health/live", trust_env=False)
            assert answer.status_code == 200
