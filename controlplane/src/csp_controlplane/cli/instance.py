"""Finding the local installation that a command is about."""

from __future__ import annotations

import os
from pathlib import Path

from csp_controlplane.supervisor import lock
from csp_controlplane.supervisor.errors import CommandError, ExitCode
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.settings import DataSettings


def layout() -> Layout:
    """Of CSP_DATA_DIR, absolute."""
    return Layout(Path(os.path.abspath(DataSettings().dir.expanduser())))  # noqa: PTH100 - symlinks stay


def running() -> lock.Instance:
    """The running installation. Raises CommandError when nothing runs."""
    where = layout()
    instance = lock.read_instance(where)
    if instance is None or not lock.is_held(where):
        raise CommandError(
            f"csp does not run on the data directory {where.data}: start it with `csp up`, or "
            "name another directory with CSP_DATA_DIR.",
            ExitCode.NOT_RUNNING,
        )
    return instance


def database_url() -> str:
    """Of the running installation, or the one that CSP_DATABASE_URL names."""
    external = os.environ.get("CSP_DATABASE_URL")
    return external or running().database_url
