"""Namespaces in which a node lives, so that the end of one process is the end of everything.

A node makes mounts, bridges, packet filter rules and processes that outlive their starter, and an
interrupted test run would leave all of them on the machine. In a box the network, the mounts and
the processes are the box's own: when its first process dies, for whatever reason, the kernel
removes them. The machine sees one network link, over which it reaches the node's services and pods,
and control groups below one name.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from e2e.node.cgroups import PREFIX as GROUPS
from e2e.node.cgroups import Cgroups
from support.processes import ServerProcess
from support.waiting import wait_until_sync

_INIT = Path(__file__).with_name("box_init.py")
PREFIX = "csp-node-"
"""Of the directories of boxes."""
MARK = "CSP_E2E_NODE"
"""In the environment of what is started in a box: its directory."""
_BOXES = 10


@dataclass(frozen=True, slots=True)
class Addresses:
    """A box's part of the address space; boxes with other numbers are other parts."""

    number: int

    @property
    def link(self) -> str:
        return f"csp-node{self.number}"

    @property
    def machine(self) -> str:
        """The machine, seen from the box."""
        return f"10.98.{self.number}.2"

    @property
    def node(self) -> str:
        return f"10.98.{self.number}.1"

    @property
    def services(self) -> str:
        return f"10.96.{self.number}.0/24"

    @property
    def pods(self) -> str:
        return f"10.97.{self.number}.0/24"


class Box:
    """Fresh namespaces and a directory. `close()` ends every process in it and removes all."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.addresses = Addresses(_free_number())
        self.cgroups = Cgroups(f"{GROUPS}{self.addresses.number}")
        self._programs: list[InsideProcess] = []
        self._holder = ServerProcess(
            [
                shutil.which("unshare") or "unshare",
                "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                "--propagation", "private",
                sys.executable, "-I", "-S", _INIT, self.directory,
            ],
            log=self.directory / "box.log",
            environment={MARK: str(self.directory)},
        )  # fmt: skip

    def open(self) -> None:
        """Returns when programs can run inside and the machine reaches the node's address."""

        def ready() -> bool:
            if not self._holder.running:
                raise RuntimeError(f"the node's namespaces failed:\n{self._holder.tail()}")
            return (self.directory / "ready").exists()

        wait_until_sync(ready, 30, "the node's namespaces")
        self.cgroups.create()
        self._connect()

    @property
    def init(self) -> int:
        """The pid, as the machine sees it, of the box's first process."""
        pid: int = psutil.Process(self._holder.pid).children()[0].pid
        return pid

    @property
    def network(self) -> tuple[str | Path, ...]:
        """What comes before a program that is to run in the box's network only."""
        return ("/usr/bin/nsenter", f"--net=/proc/{self.init}/ns/net")

    def inside(self, arguments: Sequence[str | Path], *, name: str) -> InsideProcess:
        """Starts a program in all of the box's namespaces."""
        enter = ("/usr/bin/nsenter", "--target", str(self.init), "--net", "--mount", "--pid")
        program = InsideProcess(
            [*enter, *arguments],
            log=self.directory / f"{name}.log",
            environment={MARK: str(self.directory)},
        )
        self._programs.append(program)
        return program

    def run(self, *arguments: str | Path, timeout: float = 120) -> str:
        """A program's standard output, run inside. Raises RuntimeError with what it said."""
        enter = ("/usr/bin/nsenter", "--target", str(self.init), "--net", "--mount", "--pid")
        return _run(*enter, *arguments, timeout=timeout)

    def pids(self) -> list[int]:
        """Of every process inside, as the machine sees them."""
        return _sharing("pid", self.init)

    def close(self) -> None:
        alive = self._holder.running and psutil.pid_exists(self._holder.pid)
        inside = {*self.pids(), *self._on_its_network()} if alive else set()
        self._holder.kill()
        for pid in inside:
            # Programs that have joined the network alone do not end with the first process.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            wait_until_sync(
                lambda: not any(_living(pid) for pid in inside), 60, "the box's processes ended"
            )
            for program in self._programs:
                program.wait(10)
        finally:
            # The kernel takes its time to remove a network that nobody uses any more.
            with suppress(RuntimeError):
                _run("ip", "link", "delete", self.addresses.link)
            self.cgroups.remove()
            _remove(self.directory)

    def _on_its_network(self) -> list[int]:
        return _sharing("net", self.init)

    def _connect(self) -> None:
        """A link to the box, and routes over it to its pods and services."""
        a = self.addresses
        inner = "node0"
        _run("ip", "link", "add", a.link, "type", "veth", "peer", inner, "netns", str(self.init))
        _run("ip", "address", "add", f"{a.machine}/24", "dev", a.link)
        _run("ip", "link", "set", a.link, "up")
        self.run("ip", "address", "add", f"{a.node}/24", "dev", inner)
        self.run("ip", "link", "set", inner, "up")
        self.run("ip", "route", "add", "default", "via", a.machine)
        for network in (a.services, a.pods):
            _run("ip", "route", "add", network, "via", a.node)


class InsideProcess(ServerProcess):
    """A program in the box. nsenter stays as its parent, and signals go to the program."""

    @property
    def program(self) -> psutil.Process:
        return psutil.Process(self.pid).children()[0]

    def signal(self, number: int) -> None:
        self.program.send_signal(number)

    def kill(self) -> None:
        if self.running:
            self.program.kill()
        self._process.wait(10)

    def stop(self, deadline: float = 10.0) -> None:
        if self.running:
            self.program.terminate()
            try:
                self._process.wait(deadline)
            except subprocess.TimeoutExpired:
                self.program.kill()
        self._process.wait(5)


def remove_leftovers() -> None:
    """What a killed run could not: directories and control groups whose box is gone."""
    for directory in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        marker = str(directory)
        if not any(marker in " ".join(_arguments(p)) for p in psutil.process_iter()):
            _remove(directory)
    for number in range(_BOXES):
        if not Path("/sys/class/net", Addresses(number).link).exists():
            Cgroups(f"{GROUPS}{number}").remove()


def _remove(directory: Path) -> None:
    """Removes a tree, unless something is mounted in it: what is mounted may be the machine's."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    below = [line.split()[4] for line in mounts if line.split()[4].startswith(f"{directory}/")]
    if below:
        raise RuntimeError(f"{directory} is left as it is, because of mounts in it: {below}")
    shutil.rmtree(directory, ignore_errors=True)


def _sharing(namespace: str, pid: int) -> list[int]:
    """Processes in the same namespace of this kind as that one."""
    own = Path(f"/proc/{pid}/ns/{namespace}").readlink()
    if own == Path(f"/proc/self/ns/{namespace}").readlink():
        return []  # not a box's: the machine itself would be listed
    found = []
    for other in psutil.pids():
        try:
            if Path(f"/proc/{other}/ns/{namespace}").readlink() == own:
                found.append(other)
        except OSError:
            continue
    return found


def _living(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _free_number() -> int:
    for number in range(_BOXES):
        if not Path("/sys/class/net", Addresses(number).link).exists():
            return number
    raise RuntimeError(f"{_BOXES} nodes are running on this machine already")


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _run(*arguments: str | Path, timeout: float = 30) -> str:
    done = subprocess.run(
        [str(argument) for argument in arguments], capture_output=True, text=True, timeout=timeout
    )
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise RuntimeError(f"{' '.join(map(str, arguments))} failed: {said}")
    return done.stdout
