"""The Python packages of images, fetched on the machine because builds reach no index.

Each is checked by the hash in its component's lock. One folder holds those of every image.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from e2e.node.binaries import CACHE, ROOT, MissingBinaries
from e2e.node.report import say

LOCKS = (
    ROOT / "tools" / "hatchling.txt",
    ROOT / "worker" / "requirements.lock",
    ROOT / "controlplane" / "requirements.lock",
    ROOT / "operator" / "requirements.lock",
)
# Newest first: a wheel that is made for an older one runs as well.
_PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")


def fetch(python: str) -> Path:
    """The folder with the wheels for this version of Python."""
    total = hashlib.sha256(python.encode() + b"".join(lock.read_bytes() for lock in LOCKS))
    folder = CACHE / f"wheels-{total.hexdigest()[:16]}"
    done = folder / "complete"
    if done.exists():
        return folder
    say(f"fetching the Python packages of the images for Python {python}")
    folder.mkdir(parents=True, exist_ok=True)
    for lock in LOCKS:
        _pip(
            "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes",
            "--python-version", python, "--implementation", "cp",
            *(part for name in _PLATFORMS for part in ("--platform", f"{name}_x86_64")),
            "--dest", str(folder), "-r", str(lock),
        )  # fmt: skip
    _pip("download", "--quiet", "--no-deps", "--dest", str(folder), "pip")
    next(folder.glob("pip-*.whl")).rename(folder / "pip.whl")
    done.touch()
    return folder


def _pip(*arguments: str) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    done = subprocess.run(["nice", "-n", "19", *pip, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise MissingBinaries(f"pip {arguments[0]} failed:\n{done.stderr[-3000:]}")
