"""Finding the local installation that a command is about."""

from __future__ import annotations

import os
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Site:
    """Where people reach an installation, and its database."""

    url: str
    database_url: str


def site() -> Site | None:
    """The running installation; in a gateway's pod, the one that its settings describe.

    Without a public address that is the one that `kubectl port-forward` gives. None: nothing runs.
    """
    where = layout()
    instance = lock.read_instance(where)
    if instance is not None and lock.is_held(where):
        return Site(instance.url, instance.database_url)
    database, port = os.environ.get("CSP_DATABASE_URL"), os.environ.get("CSP_GATEWAY_PORT")
    if not database or not port:
        return None
    return Site(os.environ.get("CSP_PUBLIC_URL") or f"http://127.0.0.1:{port}", database)


def database_url() -> str:
    """Of the running installation, or the one that CSP_DATABASE_URL names."""
    external = os.environ.get("CSP_DATABASE_URL")
    return external or running().database_url
