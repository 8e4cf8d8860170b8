"""Which processes descend from this one, and ending them.

A worker's agent can start anything, in sessions and groups of its own, and can lose it to init. On
Linux a subreaper adopts such orphans, so that everything an agent ever started stays a descendant
of the process that has to end it. Elsewhere only what is still attached is found; workers watch
their parent there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Collection

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Orphans below this process become its children. Linux; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def signal_me_when_parent_dies(number: signal.Signals) -> None:
    """Asks the kernel for a signal at the parent's death. Linux; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def descendants(pid: int) -> list[psutil.Process]:
    """Everything below `pid`, zombies included; nothing when it is gone."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def strays(known: Collection[int]) -> list[psutil.Process]:
    """Children of this process that it did not start, with all of their descendants."""
    found: list[psutil.Process] = []
    for child in psutil.Process().children():
        if child.pid not in known:
            found.append(child)
            found.extend(descendants(child.pid))
    return found


def kill(processes: Collection[psutil.Process]) -> None:
    """SIGKILL to each; who is gone already is fine. psutil guards against reused ids."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process.kill()


def reap(processes: Collection[psutil.Process]) -> None:
    """Collects those that are children of this process and have ended."""
    for process in processes:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)


def end_all_children(grace_s: float, deadline_s: float) -> int:
    """Blocks until no descendant is left: after `grace_s` by force. Returns how many were forced.

    Gives up at the deadline: a process in an uninterruptible system call cannot be ended.
    """
    start = time.monotonic()
    forced: set[int] = set()
    while below := descendants(os.getpid()):
        reap(below)
        elapsed = time.monotonic() - start
        if elapsed > deadline_s:
            break
        if elapsed > grace_s:
            living = [process for process in below if _lives(process)]
            forced.update(process.pid for process in living)
            kill(living)
        time.sleep(0.02)
    return len(forced)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
