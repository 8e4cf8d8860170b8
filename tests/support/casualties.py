"""Killing a part of an installation by its process id, and seeing that nothing of it stays.

A worker closes its environment and directory to others, so it is found the way the kernel tells it:
by who listens on its socket.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from dataclasses import dataclass

import httpx
import psutil

from support.stack import Stack
from support.waiting import wait_until

_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True)
class Family:
    """A process with everything below it, at one moment."""

    head: psutil.Process
    below: tuple[psutil.Process, ...]
    directory: str
    """The last of the head's arguments: of a worker its home, which ends with its id."""

    @classmethod
    def of(cls, pid: int) -> Family:
        head = psutil.Process(pid)
        return cls(head, tuple(head.children(recursive=True)), head.cmdline()[-1])

    def named(self, program: str) -> psutil.Process:
        """The only one below whose program has this name."""
        (found,) = [process for process in self.below if process.name() == program]
        return found

    def kill(self) -> None:
        """SIGKILL to the head alone: what a crash or the kernel's memory killer does."""
        self.head.kill()

    def living(self) -> list[psutil.Process]:
        return [process for process in (self.head, *self.below) if lives(process)]

    async def gone(self, deadline: float = 30.0) -> None:
        """Returns when none of them lives."""
        await wait_until(lambda: not self.living(), deadline, f"the end of all of {self}")


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def worker_of(stack: Stack, session_id: str) -> Family:
    """The session's worker, its CLI and their tools."""
    transport = httpx.AsyncHTTPTransport(uds=str(stack.layout.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://supervisor") as client:
        answer = await client.get(f"/v1/sessions/{session_id}")
        answer.raise_for_status()
    return Family.of(listener(answer.json()["endpoint"].removeprefix("unix:")))


async def with_program(stack: Stack, session_id: str, program: str, count: int) -> Family:
    """The worker once so many processes of this program run below it."""
    worker = await worker_of(stack, session_id)

    async def running() -> Family | None:
        now = Family.of(worker.head.pid)
        return now if sum(p.name() == program for p in now.below) == count else None

    found = await wait_until(running, 20, f"{count} times {program}")
    assert found is not None
    return found


def listener(path: str) -> int:
    """The process that listens on a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(path)
        raw = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid: int = _CREDENTIALS.unpack(raw)[0]
    return pid


def gateway_on(port: int) -> int:
    """The process that listens there."""
    (pid,) = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
    }
    assert pid is not None
    return pid


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


async def replaced(stack: Stack, module: str, old: int, deadline: float = 60.0) -> int:
    """The process that the supervisor started in place of a killed one of its kind."""

    def fresh() -> int | None:
        pids = [pid for pid in stack.pids(module) if pid != old]
        return pids[0] if len(pids) == 1 else None

    found = await wait_until(fresh, deadline, f"another {module}")
    assert found is not None
    return found
