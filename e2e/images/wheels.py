"""The Python packages of images, fetched on the machine because builds reach no index.

Each is checked by the hash in its component's lock. One folder holds those of every image.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Set as AbstractSet
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement

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
    """The folder with the wheels for this full version of Python."""
    total = hashlib.sha256(python.encode() + b"".join(lock.read_bytes() for lock in LOCKS))
    folder = CACHE / f"wheels-{total.hexdigest()[:16]}"
    done = folder / "complete"
    if done.exists():
        return folder
    say(f"fetching the Python packages of the images for Python {python}")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = folder / "requirements.txt"
    for lock in LOCKS:
        # pip would decide by the Python that it runs in what another one needs.
        wanted.write_text(needed(lock.read_text(), python))
        _pip(
            "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes",
            "--python-version", python.rpartition(".")[0], "--implementation", "cp",
            *(part for name in _PLATFORMS for part in ("--platform", f"{name}_x86_64")),
            "--dest", str(folder), "-r", str(wanted),
        )  # fmt: skip
    _pip("download", "--quiet", "--no-deps", "--dest", str(folder), "pip")
    next(folder.glob("pip-*.whl")).rename(folder / "pip.whl")
    done.touch()
    return folder


def needed(lock: str, python: str) -> str:
    """The part of a lock that this full version of Python needs on Linux, without conditions."""
    environment: dict[str, str | AbstractSet[str]] = {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
    }
    kept = []
    for entry in re.split(r"\n(?=\S)", lock):
        head, *hashes = entry.split(" \\\n")
        if not head or head.startswith("#"):
            continue
        requirement = Requirement(head)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            kept.append(" \\\n".join([f"{requirement.name}{requirement.specifier}", *hashes]))
    return "\n".join(kept) + "\n"


def _pip(*arguments: str) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    done = subprocess.run(["nice", "-n", "19", *pip, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise MissingBinaries(f"pip {arguments[0]} failed:\n{done.stderr[-3000:]}")
