"""What the kernel says of one process: processor time to the nanosecond, memory by share."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import psutil


def cpu_ns(pid: int) -> int:
    """Time that all threads of the process have run, in nanoseconds.

    From the scheduler's own accounts where the kernel shows them; otherwise in steps of a clock
    tick. Threads that have ended are missing there, so measure processes whose threads stay.
    """
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            total += int(task.read_text().split()[0])
    if total:
        return total
    times = psutil.Process(pid).cpu_times()
    return int((times.user + times.system) * 1e9)


def pss_bytes(pid: int) -> int:
    """Proportional set size: private memory and its share of what is shared. Linux only.

    Raises OSError, and for a process that is closed to its own user unless this is root.
    """
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError as error:
        raise OSError(f"the PSS of process {pid} is shown to root only") from error
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"the kernel does not show the PSS of process {pid}")


def family(pid: int) -> list[int]:
    """The process and everything it started that still lives."""
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


def load_average() -> float:
    """Of the last minute: how busy the machine was with other things."""
    return os.getloadavg()[0]
