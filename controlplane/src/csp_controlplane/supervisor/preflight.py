"""What must be right before anything is started. Each failure is one sentence."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from csp_controlplane.supervisor import ports, postgres, valkey
from csp_controlplane.supervisor.errors import CommandError, ExitCode
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.settings import SupervisorSettings


def check(
    layout: Layout,
    settings: SupervisorSettings,
    environment: Mapping[str, str],
    host: str,
    gateway_ports: range,
) -> None:
    """Raises CommandError for the first thing that is wrong."""
    check_space(layout, settings.min_free_bytes)
    for port in gateway_ports:
        ports.check_free(host, port, "--port or CSP_GATEWAY_PORT")
    check_worker(environment)
    if not environment.get("CSP_DATABASE_URL"):
        postgres.binaries()
    if not environment.get("CSP_REDIS_URL"):
        valkey.binary()


def check_space(layout: Layout, needed: int) -> None:
    free = shutil.disk_usage(layout.data).free
    if free < needed:
        raise CommandError(
            f"The disk of the data directory {layout.data} has {free // 2**20} MB left and csp "
            f"needs {needed // 2**20} MB: free some space, or choose another directory with "
            "CSP_DATA_DIR.",
            ExitCode.DISK_FULL,
        )


def check_worker(environment: Mapping[str, str]) -> None:
    """The worker and the CLI that it runs."""
    if importlib.util.find_spec("csp_worker") is None:
        raise CommandError(
            "The package csp-worker is not installed: install csp-controlplane[local].",
            ExitCode.MISSING_PART,
        )
    cli = cli_path(environment)
    if cli is None:
        raise CommandError(
            "The Claude CLI is missing: this installation of claude-agent-sdk brings none. Install "
            "its wheel for this platform again, or set CSP_WORKER_CLI_PATH to a CLI.",
            ExitCode.MISSING_PART,
        )
    if not os.access(cli, os.X_OK):
        raise CommandError(
            f"The Claude CLI at {cli} is not there or cannot be run: install claude-agent-sdk "
            "again, or correct CSP_WORKER_CLI_PATH.",
            ExitCode.MISSING_PART,
        )


def cli_path(environment: Mapping[str, str]) -> Path | None:
    """The CLI that workers will run: the one named by the setting, or the SDK's own."""
    named = environment.get("CSP_WORKER_CLI_PATH")
    if named:
        return Path(named)
    spec = importlib.util.find_spec("claude_agent_sdk")  # found, not imported
    if spec is None or spec.origin is None:
        return None
    bundled = Path(spec.origin).parent / "_bundled" / "claude"
    return bundled if bundled.exists() else None
