"""What a run that was ended by force may have left behind. Called with the lock held."""

from __future__ import annotations

import os
import shutil

import psutil
import structlog

from csp_controlplane.supervisor import tree
from csp_controlplane.supervisor.layout import Layout

_log = structlog.get_logger(__name__)


def remove_remains_of_earlier_runs(layout: Layout) -> None:
    """Ends processes of earlier workers, and removes homes and sockets. Blocks."""
    survivors = _survivors(layout)
    if survivors:
        _log.warning("ending processes of an earlier run", pids=[one.pid for one in survivors])
        tree.kill(survivors)
        psutil.wait_procs(survivors, timeout=5)
    for directory in (layout.workers, layout.worker_sockets):
        for entry in directory.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def _survivors(layout: Layout) -> list[psutil.Process]:
    """Processes whose environment names a worker's home of this data directory.

    The guardian leaves none; this is for the case in which it was killed as well. A process that
    hides its environment is not found here: the worker's own parent-death signal is for those.
    """
    home = f"{layout.workers}{os.sep}"
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            values = process.environ().values()
        except psutil.Error:
            continue
        if any(value.startswith(home) for value in values):
            found.append(process)
    return found
