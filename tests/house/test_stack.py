"""The fixture of a whole installation is what it says: real, signed in, found again, removed."""

from __future__ import annotations

import psutil

from support.parts_of_stack import WORKER, wait_warm
from support.processes import processes_of
from support.stack import Stack


async def test_a_stack_answers_its_api_key_and_names_the_scripted_model(stack: Stack) -> None:
    async with stack.client() as client:
        me = (await client.get("/me")).raise_for_status().json()
    assert me["scripted_model"] is True


def test_the_parts_of_a_stack_are_found_by_module(stack: Stack) -> None:
    assert stack.pid("csp_controlplane.gateway") != stack.pid("csp_controlplane.proxy")


def test_whose_a_worker_its_guard_and_its_cli_are_can_be_seen_by_every_user(stack: Stack) -> None:
    """They are closed to their own user, and what nobody finds would count as gone."""
    wait_warm(stack)
    worker = psutil.Process(stack.pids(WORKER)[0])
    family = [worker, *worker.children(recursive=True)]
    assert [process.name() for process in family][-1] == "claude"
    for process in family:
        assert str(stack.layout.workers) in " ".join(process.cmdline()), process


def test_a_closed_stack_leaves_neither_process_nor_file() -> None:
    stack = Stack()
    with stack:
        assert len(stack.survivors()) > 5
    assert processes_of(stack.directory) == []
    assert not stack.directory.exists()
