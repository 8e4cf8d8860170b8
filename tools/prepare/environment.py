"""The virtual environment: pinned packages checked by hash, and the members as editables.

The lock names no address, so the packages come from whatever index the machine is set up for, and
the hashes make sure that they are the right ones. Packages are added, never removed: `make clean`
is the way to an exact environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from prepare import stamps
from prepare.steps import ROOT, StepFailed, run, say, step

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
UV_PIN = ROOT / "tools" / "uv.txt"
LOCK = ROOT / "requirements.lock"
_STAMP = VENV / ".csp-stamp"
_NETWORK = (
    "Python packages could not be installed. Check the network, and pip's settings when this "
    "machine uses a mirror or a proxy; then run the command again."
)
_PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "cert": "SSL_CERT_FILE",
}


def members() -> list[Path]:
    """The folders of the workspace's packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [ROOT / name for name in project["tool"]["uv"]["workspace"]["members"]]


def prepare() -> None:
    """Brings .venv in line with the lock."""
    projects = [member / "pyproject.toml" for member in members()]
    # Editables hold absolute paths, and a virtual environment holds its interpreter's.
    wanted = stamps.digest([LOCK, UV_PIN, *projects], str(ROOT), sys.version, sys.base_prefix)
    if stamps.is_current(_STAMP, wanted) and PYTHON.exists():
        return
    with step("installing Python packages (a few minutes the first time)"):
        _create()
        pip: list[str | Path] = [
            PYTHON,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
        ]
        run([*pip, "--require-hashes", "-r", UV_PIN], hint=_NETWORK)
        install("--require-hashes", "-r", LOCK)
        editables: list[str | Path] = [part for member in members() for part in ("-e", member)]
        # The build backend comes from the lock, like everything else.
        install("--no-deps", "--no-build-isolation", *editables)
    stamps.write(_STAMP, wanted)


def install(*arguments: str | Path) -> None:
    """`uv pip install` with what this machine's pip is set up for."""
    settings = {**_pip_settings(), **os.environ}
    command = [UV, "pip", "install", "--python", PYTHON, *arguments]
    run(command, hint=_NETWORK, environment=settings)


def _pip_settings() -> dict[str, str]:
    """uv reads none of pip's configuration, but a machine behind a mirror has nothing else."""
    command = [str(PYTHON), "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    found = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        variable = _PIP_TO_UV.get(name.rpartition(".")[2])
        if variable:
            found[variable] = value.strip("'\"").replace("\\n", " ").strip()
    return found


def _create() -> None:
    if VENV.exists() and not _usable():
        say("csp: .venv was made by another Python: making it again")
        shutil.rmtree(VENV)
    if VENV.exists():
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        run(
            [sys.executable, "-m", "venv", VENV],
            hint=f"A virtual environment could not be made with {sys.executable}. On Debian and "
            f"Ubuntu: apt-get install python{version}-venv",
        )
    except StepFailed:
        shutil.rmtree(VENV, ignore_errors=True)
        raise


def _usable() -> bool:
    """Whether .venv runs this Python, in this place, with pip."""
    probe = "import sys, pip; print(sys.version + sys.base_prefix + sys.prefix)"
    try:
        done = subprocess.run([str(PYTHON), "-c", probe], capture_output=True, text=True)
    except OSError:
        return False
    return done.stdout.strip() == sys.version + sys.base_prefix + str(VENV)
