"""Runs the CLI and outlives it by a moment, so that nothing the CLI started outlives either.

The CLI gives every Bash command a session of its own, and a killed CLI leaves them running. The
guard is their subreaper: whatever daemonises comes back to it. When the CLI ends, or when the
worker dies (parent-death signal on Linux, a look at the parent elsewhere), the guard kills
everything below it and ends the way the CLI ended. It is a process of its own because it must
survive the worker's SIGKILL, and it runs without site-packages to stay small.

Usage: python -I -S <this directory> <program> <the name it is run under> [argument ...]
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

import kernel
import tree

WATCHED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)
SWEEP_SECONDS = 5.0
PARENT_LOOK_SECONDS = 0.5


def main(argv: list[str]) -> int:
    """Returns the exit code of the CLI; ends by its signal when it ended by one."""
    parent = os.getppid()
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    if not kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGHUP):
        signal.setitimer(signal.ITIMER_REAL, PARENT_LOOK_SECONDS, PARENT_LOOK_SECONDS)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if os.getppid() != parent:
        return 1
    with suppress(PermissionError):
        os.setsid()
    child = _start(argv[0], argv[1:])
    if child is None:
        return 127
    status = _watch(child, parent)
    _sweep()
    if os.WIFSIGNALED(status):
        _die_by(os.WTERMSIG(status))
    return os.waitstatus_to_exitcode(status)


def _start(program: str, argv: list[str]) -> int | None:
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        _become(program, argv, tell)
    os.close(tell)
    # The CLI alone holds these ends now: their other side sees its death at once.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    traced = os.read(told, 1) == b"t"
    if traced:
        _, status = os.waitpid(child, 0)
        if os.WIFSTOPPED(status):
            kernel.make_non_dumpable(child)
    problem = os.read(told, 200).decode(errors="replace")
    os.close(told)
    if problem:
        os.write(2, f"{program} could not be started: {problem}\n".encode())
        return None
    return child


def _become(program: str, argv: list[str], tell: int) -> None:
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        os.write(tell, b"t" if kernel.trace_me() else b"-")
        os.execv(program, argv)  # noqa: S606
    except OSError as error:
        os.write(tell, (error.strerror or str(error)).encode())
    os._exit(127)


def _watch(child: int, parent: int) -> int:
    """Until the CLI ends or the worker is gone; returns the CLI's wait status."""
    while True:
        got = signal.sigwait(WATCHED)
        if got == signal.SIGHUP or (got == signal.SIGALRM and os.getppid() != parent):
            _sweep()
            _die_by(signal.SIGKILL)
        elif got in (signal.SIGTERM, signal.SIGINT):
            os.kill(child, got)
        elif got == signal.SIGCHLD:
            status = _reap(child)
            if status is not None:
                return status


def _reap(child: int) -> int | None:
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = status


def _sweep() -> None:
    """Kills until nothing is left below: what a killed process had started moves up to here."""
    deadline = time.monotonic() + SWEEP_SECONDS
    me = os.getpid()
    while (left := tree.descendants(me)) and time.monotonic() < deadline:
        tree.kill_all(left)
        _reap(-1)
        time.sleep(0.005)


def _die_by(number: int) -> None:
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (number,))
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
