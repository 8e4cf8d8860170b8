"""Checks of the machine and of what is installed on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from csp_controlplane.cli.doctor.finding import Finding, fail, ok, warn
from csp_controlplane.supervisor import lock, ports, postgres, preflight, valkey
from csp_controlplane.supervisor.errors import CommandError
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.parts import static_directory
from csp_controlplane.supervisor.settings import MEMORY_PER_WORKER, SupervisorSettings

OLDEST_PYTHON = (3, 11)
CLI_TIMEOUT_S = 30
COMFORTABLE_BYTES = 2 * 1024**3
BASE_MEMORY = 500 * 1024**2
"""Bytes: the parts that are not workers."""


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return fail("python", f"Python {version}", "Install Python 3.11 or newer.")
    return ok("python", f"Python {version} at {sys.executable}")


def cli(environment: Mapping[str, str]) -> Finding:
    """Runs the CLI that workers will run."""
    try:
        preflight.check_worker(environment)
    except CommandError as error:
        return fail("claude cli", "missing", error.message)
    path = str(preflight.cli_path(environment))
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=CLI_TIMEOUT_S, env=clean
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return fail("claude cli", f"{path} does not run: {error}", _REINSTALL)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[:1]
        reason = said[0] if said else f"exit code {done.returncode}"
        return fail("claude cli", f"{path} does not run: {reason}", _REINSTALL)
    return ok("claude cli", f"{done.stdout.strip()} at {path}")


_REINSTALL = "Install claude-agent-sdk again for this platform, or correct CSP_WORKER_CLI_PATH."


def embedded(environment: Mapping[str, str]) -> list[Finding]:
    """The servers that come as packages, where no others are named."""
    findings = []
    for name, variable, find in (
        ("postgresql", "CSP_DATABASE_URL", postgres.binaries),
        ("valkey", "CSP_REDIS_URL", valkey.binary),
    ):
        if environment.get(variable):
            continue
        try:
            findings.append(ok(name, f"embedded, {_readable(find())}"))
        except CommandError as error:
            findings.append(fail(name, "missing", error.message))
    return findings


def _readable(path: Path) -> str:
    return str(path if path.is_dir() else path.parent)


def data_directory(layout: Layout, settings: SupervisorSettings) -> list[Finding]:
    """Writable, and with space. Makes the directory."""
    try:
        layout.create()
    except CommandError as error:
        return [fail("data directory", str(layout.data), error.message)]
    free = shutil.disk_usage(layout.data).free
    size = f"{free / 2**30:.1f} GB free at {layout.data}"
    advice = "Free some space, or choose another directory with CSP_DATA_DIR."
    if free < settings.min_free_bytes:
        space = fail("disk", size, advice)
    elif free < COMFORTABLE_BYTES:
        space = warn("disk", size, advice)
    else:
        space = ok("disk", size)
    return [ok("data directory", f"{layout.data} is writable"), space]


def memory(settings: SupervisorSettings) -> Finding:
    available = psutil.virtual_memory().available
    wanted = BASE_MEMORY + (settings.warm + 1) * MEMORY_PER_WORKER
    text = f"{available / 2**30:.1f} GB available; {wanted / 2**30:.1f} GB are comfortable"
    if available < wanted:
        return warn("memory", text, "Keep fewer spares with CSP_SUPERVISOR_WARM, or free memory.")
    return ok("memory", text)


def port(layout: Layout, host: str, number: int) -> Finding:
    instance = lock.read_instance(layout) if lock.is_held(layout) else None
    if instance is not None and number in instance.ports:
        return ok("port", f"{number}: csp runs there (process {instance.pid})")
    try:
        ports.check_free(host, number, "`csp up --port` or CSP_GATEWAY_PORT")
    except CommandError as error:
        return fail("port", str(number), error.message)
    return ok("port", f"{number} of {host} is free")


def page(environment: Mapping[str, str]) -> Finding:
    static = static_directory(environment)
    if static is None or not (static / "index.html").exists():
        return warn("page", "not built", "Build it with `make build-page`; the API works without.")
    return ok("page", f"built at {static}")
