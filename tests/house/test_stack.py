"""The fixture of a whole installation is what it says: real, signed in, found again, removed."""

from __future__ import annotations

from support.processes import processes_of
from support.stack import Stack


async def test_a_stack_answers_its_api_key_and_names_the_scripted_model(stack: Stack) -> None:
    async with stack.client() as client:
        me = (await client.get("/me")).raise_for_status().json()
    assert me["scripted_model"] is True


def test_the_parts_of_a_stack_are_found_by_module(stack: Stack) -> None:
    assert stack.pid("csp_controlplane.gateway") != stack.pid("csp_controlplane.proxy")


def test_a_closed_stack_leaves_neither_process_nor_file() -> None:
    stack = Stack()
    with stack:
        assert len(stack.survivors()) > 5
    assert processes_of(stack.directory) == []
    assert not stack.directory.exists()
