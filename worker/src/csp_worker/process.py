"""This process and its children, as the operating system sees them.

The worker's memory is closed to other processes of the same user (it holds the model handle), what
its CLI leaves behind comes back to it, and the CLI inherits nothing of its environment that is not
on a short list. What Linux cannot do elsewhere is left out: there the guard watches its parent.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Collection, MutableMapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import claude_agent_sdk
import psutil

from csp_worker import guard
from csp_worker.guard import kernel, tree

_KEPT = frozenset(
    {"PATH", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL", "TERM", "SSL_CERT_FILE",
     "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY",
     "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
)  # fmt: skip


def protect_self() -> bool:
    """Ends with the parent, adopts orphans, closes its memory. Each only where the OS can.

    Returns whether the OS will tell when the parent ends.
    """
    parent = os.getppid()
    told = kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if os.getppid() != parent:
        raise SystemExit("the process that started this worker has ended")
    return told


def strip_environment(environ: MutableMapping[str, str], base_url: str) -> None:
    """Leaves only what a program needs anywhere; the CLI and its tools inherit the rest."""
    for name in list(environ):
        if name not in _KEPT and not name.startswith("LC_"):
            del environ[name]
    host = urlsplit(base_url).hostname or ""
    if any(name.upper() in ("HTTP_PROXY", "HTTPS_PROXY") for name in environ):
        direct = {*environ.get("NO_PROXY", "").split(","), "127.0.0.1", "localhost", host}
        environ["NO_PROXY"] = environ["no_proxy"] = ",".join(sorted(direct - {""}))


def bundled_cli() -> Path:
    """Where the SDK keeps its CLI."""
    return Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"


def write_launcher(path: Path, cli: Path) -> None:
    """A program that runs the CLI under its guard, with the arguments that it is given.

    Both carry its path on their command lines: the one thing that a process without access to
    their memory can still find them by.
    """
    words = [sys.executable, "-I", "-S", str(Path(guard.__file__).parent), str(cli)]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$0" "$@"\n')
    path.chmod(0o700)


def rss_bytes(pids: Collection[int]) -> int:
    """Resident memory of these processes; those that have ended count nothing."""
    total = 0
    for pid in pids:
        with suppress(psutil.Error):
            total += psutil.Process(pid).memory_info().rss
    return total


def orphans(known: Collection[int]) -> list[int]:
    """Processes that this one has adopted, with everything below them."""
    found = [pid for pid in tree.children(os.getpid()) if pid not in known]
    return [*found, *(below for pid in found for below in tree.descendants(pid))]


def reap(pids: Collection[int]) -> None:
    """Takes the exit status of adopted processes that have ended."""
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
