"""Whole installations that a test may break."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from support.csp_command import CSP
from support.parts_of_stack import named
from support.stack import Stack
from support.waiting import wait_until_sync


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """For tests that break it."""
    stack = Stack()
    stack.start()
    yield stack
    stack.close()


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
    try:
        wait_until_sync(lambda: len(named(own_stack, "sleep")) == 2, 90, "the agent's commands")
    finally:
        chat.kill()
        chat.wait()
    yield own_stack
