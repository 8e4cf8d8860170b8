"""The control groups below which a node puts its pods, in either version of the interface."""

from __future__ import annotations

import errno
from pathlib import Path

from support.waiting import wait_until_sync

PREFIX = "csp-e2e-"
"""Of the names of groups."""

_ROOT = Path("/sys/fs/cgroup")
# A group competes with each single process beside it, and starts with the weight of one: all pods
# together would get as much of a busy machine as one compiler does.
_WEIGHTS = {"cpu.shares": "32768", "cpu.weight": "3200"}


class Cgroups:
    """One name in every hierarchy."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create(self) -> None:
        for parent in _hierarchies():
            group = parent / self.name
            group.mkdir(exist_ok=True)
            # A new cpuset is empty, and the kernel refuses processes in an empty one.
            for file in ("cpuset.cpus", "cpuset.mems"):
                if not _unified() and (group / file).exists():
                    (group / file).write_text((parent / file).read_text())
            for file, weight in _WEIGHTS.items():
                if (group / file).exists():
                    (group / file).write_text(weight)

    def remove(self) -> None:
        """Of groups that have no process left, from the innermost."""
        for parent in _hierarchies():
            group = parent / self.name
            if not group.exists():
                continue
            for inner in sorted(group.rglob("*/"), key=lambda path: -len(path.parts)):
                _remove(inner)
            _remove(group)


def groups() -> list[Path]:
    """The outermost groups of all nodes, in every hierarchy."""
    return [group for parent in _hierarchies() for group in parent.glob(f"{PREFIX}*")]


def _unified() -> bool:
    return (_ROOT / "cgroup.controllers").exists()


def _hierarchies() -> list[Path]:
    if _unified():
        return [_ROOT]
    return [entry for entry in _ROOT.iterdir() if entry.is_dir() and not entry.is_symlink()]


def _remove(group: Path) -> None:
    def gone() -> bool:
        try:
            group.rmdir()
        except FileNotFoundError:
            return True
        except OSError as failure:
            if failure.errno != errno.EBUSY:  # its last process is still on its way out
                raise
            return False
        return True

    wait_until_sync(gone, 20, f"the control group {group} being empty")
