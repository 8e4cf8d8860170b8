"""What `csp up` starts again, and what it recovers from when it is started again itself."""

from __future__ import annotations

import os
import signal

import httpx
import psutil
import pytest

from support.parts_of_stack import (
    GATEWAY,
    PROXY,
    WORKER,
    postmaster,
    supervisor_pid,
    wait_nothing_left,
    wait_warm,
)
from support.processes import listens
from support.stack import Stack
from support.waiting import wait_until_sync

pytestmark = pytest.mark.timeout(240)  # whole installations, maybe on a busy machine


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
