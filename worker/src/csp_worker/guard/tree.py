"""Process trees, read from the kernel: who descends from whom.

Standard library only, because the guard runs without site-packages. Everything here is a snapshot:
callers that kill repeat until nothing is left.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def children(pid: int) -> list[int]:
    """Direct children of a process; empty when it is gone."""
    if not sys.platform.startswith("linux"):
        return [child for child, parent in _table_from_ps() if parent == pid]
    found: list[int] = []
    try:
        for task in (PROC / str(pid) / "task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    except FileNotFoundError:
        # Either the process ended, or this kernel has no children files.
        if (PROC / str(pid)).exists():
            return [child for child, parent in _table_from_proc() if parent == pid]
    except (ProcessLookupError, PermissionError):
        return found
    return found


def descendants(pid: int) -> list[int]:
    """Every process below this one, parents before their children."""
    found: list[int] = []
    queue = children(pid)
    while queue:
        child = queue.pop(0)
        if child not in found:
            found.append(child)
            queue += children(child)
    return found


def kill_all(pids: list[int]) -> None:
    """SIGKILL to each that still exists."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _table_from_proc() -> list[tuple[int, int]]:
    table = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                # The name in parentheses may hold spaces and parentheses itself.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                table.append((int(entry.name), int(fields[1])))
    return table


def _table_from_ps() -> list[tuple[int, int]]:
    out = subprocess.run(
        ["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False
    ).stdout
    return [(int(pid), int(parent)) for pid, parent in (line.split() for line in out.splitlines())]
