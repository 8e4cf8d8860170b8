"""One supervisor per data directory, and how other commands find it.

The lock is an flock on an open file that the guardian shares, so it is free again only when
everything has been cleaned up, and at once after a crash of the machine.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from csp_controlplane.supervisor.errors import CommandError, ExitCode
from csp_controlplane.supervisor.layout import Layout


@dataclass(frozen=True, slots=True)
class Instance:
    """A running installation, as `instance.json` holds it. The file is private to the user."""

    pid: int
    url: str
    started_at: str
    database_url: str
    redis_url: str
    socket: str
    ports: tuple[int, ...]
    scripted_model: bool
    ready: bool = False


def acquire(layout: Layout) -> int:
    """Takes the lock and returns its descriptor, to be kept open.

    Raises CommandError when another `csp up` holds it.
    """
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise CommandError(_held(layout), ExitCode.ALREADY_RUNNING) from None
    return descriptor


def is_held(layout: Layout) -> bool:
    """Whether a supervisor, or a guardian that is still cleaning up, uses the directory."""
    try:
        descriptor = os.open(layout.lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _held(layout: Layout) -> str:
    instance = read_instance(layout)
    if instance is None:
        return (
            f"Another csp is starting or stopping on the data directory {layout.data}: wait for "
            "it, or choose another directory with CSP_DATA_DIR."
        )
    return (
        f"csp already runs on the data directory {layout.data}: {instance.url} "
        f"(process {instance.pid}). Sign in with `csp login`, stop it with "
        f"`kill {instance.pid}`, or choose another directory with CSP_DATA_DIR."
    )


def write_instance(layout: Layout, instance: Instance) -> None:
    """Atomically, readable by this user only."""
    write_private(layout.instance, json.dumps(asdict(instance), indent=1).encode())


def read_instance(layout: Layout) -> Instance | None:
    """What `csp up` wrote; None when nothing runs or has been written yet."""
    try:
        raw = json.loads(layout.instance.read_bytes())
        return Instance(**{**raw, "ports": tuple(raw["ports"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_private(path: Path, data: bytes) -> None:
    """Replaces the file in one step; mode 0600 from its first moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
