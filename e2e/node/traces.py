"""What nodes leave on the machine, so that a run can say that it left nothing."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import psutil

from e2e.node.box import MARK, PREFIX
from e2e.node.cgroups import groups

_PLACES = (
    re.compile(rf"{re.escape(tempfile.gettempdir())}/{PREFIX}[^/\s=]+"),
    re.compile(r"\bcsp-e2e-\d+"),
)


def traces() -> set[str]:
    """A line for each process, link, mount, control group and directory of any node, which names
    the node's directory, link or group."""
    return {*_processes(), *_links(), *_mounts(), *_groups(), *_directories()}


def _processes() -> set[str]:
    found = set()
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            group = Path(f"/proc/{process.pid}/cgroup").read_text()
            marked = process.environ().get(MARK, "")
            seen = _place(" ".join([*process.cmdline(), process.cwd(), marked, group]))
            if seen:
                found.add(f"process {process.pid} ({process.name()}) of {seen}")
        except (psutil.Error, OSError):
            continue  # it has ended, or is the kernel's
    return found


def _links() -> set[str]:
    return {f"link {link.name}" for link in Path("/sys/class/net").glob("csp-node*")}


def _mounts() -> set[str]:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return {f"mount {line.split()[4]}" for line in mounts if _place(line)}


def _groups() -> set[str]:
    return {f"control group {group}" for group in groups()}


def _directories() -> set[str]:
    places = Path(tempfile.gettempdir()).glob(f"{PREFIX}*")
    return {f"directory {place}" for place in places}


def _place(text: str) -> str | None:
    for pattern in _PLACES:
        if match := pattern.search(text):
            return match[0]
    return None
