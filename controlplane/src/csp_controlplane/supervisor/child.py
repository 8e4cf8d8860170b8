"""Starting one process, learning of its end at once, and ending it with everything below it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from csp_controlplane.supervisor import tree
from csp_controlplane.supervisor.logs import LinePump

LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run as a child of the supervisor."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    death_signal: signal.Signals = signal.SIGKILL
    """What it gets when the supervisor dies."""
    user: tuple[int, int] | None = None
    """User and group to run as, when not ours."""


@dataclass(eq=False)
class Child:
    """A started process. `wait()` may be called by any number of tasks."""

    process: subprocess.Popen[bytes]
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _output: asyncio.ReadTransport | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    @property
    def returncode(self) -> int | None:
        """As subprocess has it: negative for a signal; None while it runs."""
        return self.process.returncode

    async def wait(self) -> int:
        """Until it has ended; returns its code."""
        await self._ended.wait()
        return self.process.returncode

    def send(self, number: signal.Signals) -> None:
        """To the process alone; nothing when it has ended."""
        if self.alive:
            self.process.send_signal(number)

    def kill_tree(self) -> None:
        """SIGKILL to it, its group and all of its descendants."""
        below = tree.descendants(self.pid)
        if self.alive:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            except PermissionError:  # a member of the group changed its user
                self.process.kill()
        tree.kill(below)

    async def stop(self, number: signal.Signals, deadline_s: float) -> None:
        """Asks with a signal, and ends the whole tree by force when that takes too long."""
        self.send(number)
        try:
            await asyncio.wait_for(self.wait(), deadline_s)
        except TimeoutError:
            self.kill_tree()
            await asyncio.wait_for(self.wait(), deadline_s)

    def close_output(self) -> None:
        """Stops reading, for when a stray still holds the other end."""
        if self._output is not None:
            self._output.close()


class Family:
    """All children of the supervisor, so that strays among its children can be told apart.

    `adopts`: every other child of this process is a stray, left by one of ours, and is ended. False
    where others start children in the same process.
    """

    def __init__(self, *, adopts: bool = True) -> None:
        self._adopts = adopts
        self._children: dict[int, Child] = {}
        self._sweeping = asyncio.Lock()

    async def start(self, command: Command, sink: Callable[[bytes], None]) -> Child:
        """Starts the program; `sink` gets the lines of its output.

        Raises OSError when there is no such program or no memory for it.
        """
        uid, gid = map(str, command.user) if command.user else ("-", "-")
        # Nothing is awaited between the fork and the registration, or a sweep could end the child.
        process = subprocess.Popen(  # noqa: ASYNC220 - a fork, whose output is read by the loop
            [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()),
             str(int(command.death_signal)), uid, gid, *command.argv],
            env=dict(command.environment),
            cwd=command.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        child = Child(process)
        self._children[child.pid] = child
        _on_exit(process, lambda: self._ended(child))
        loop = asyncio.get_running_loop()
        child._output, _ = await loop.connect_read_pipe(lambda: LinePump(sink), process.stdout)
        return child

    def _ended(self, child: Child) -> None:
        self._children.pop(child.pid, None)
        child._ended.set()

    async def sweep(self, deadline_s: float = 5.0) -> int:
        """Ends every process that a dead child left behind; returns how many there were."""
        if not self._adopts:
            return 0
        async with self._sweeping:
            killed: set[int] = set()
            end = asyncio.get_running_loop().time() + deadline_s
            while found := tree.strays(self._children):
                killed.update(process.pid for process in found)
                tree.kill(found)
                tree.reap(found)
                if asyncio.get_running_loop().time() > end:
                    break
                await asyncio.sleep(0.01)
            return len(killed)

    def kill_all(self) -> None:
        """By force and at once."""
        for child in list(self._children.values()):
            child.kill_tree()


def _on_exit(process: subprocess.Popen[bytes], callback: Callable[[], None]) -> None:
    """Calls back in the loop once the process has ended and has been collected."""
    loop = asyncio.get_running_loop()
    if hasattr(os, "pidfd_open"):
        descriptor = os.pidfd_open(process.pid)

        def readable() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            process.wait()
            callback()

        loop.add_reader(descriptor, readable)
        return

    def wait() -> None:
        process.wait()
        loop.call_soon_threadsafe(callback)

    threading.Thread(target=wait, name=f"wait-{process.pid}", daemon=True).start()
