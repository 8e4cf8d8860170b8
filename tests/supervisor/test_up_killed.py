"""`csp up` killed in every way: nothing it or an agent started survives."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from support.parts_of_stack import (
    GATEWAY,
    WORKER,
    named,
    postmaster,
    supervisor_pid,
    wait_nothing_left,
    wait_warm,
)
from support.stack import Stack
from support.waiting import wait_until_sync

pytestmark = pytest.mark.timeout(240)  # whole installations, maybe on a busy machine


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
