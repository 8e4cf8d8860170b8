"""Base images made of Debian's packages, for a machine that reaches no image registry.

People build on an official image that a Dockerfile's BASE names; here each base is a tree that
mmdebstrap puts together from the machine's own package sources. A base is made once: it is kept by
the hash of what went in.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from e2e.node.binaries import CACHE, MissingBinaries
from e2e.node.report import say

# What images do without.
_ONLY_NEEDED = '--aptopt=APT::Install-Recommends "false"'
_LEFT_OUT = ("doc", "man", "info", "locale", "lintian", "bug")


@dataclass(frozen=True, slots=True)
class Base:
    """A tree with these packages and what they depend on."""

    name: str
    packages: tuple[str, ...]

    @property
    def archive(self) -> Path:
        total = hashlib.sha256(
            "\0".join([*self.packages, _suite(), *_LEFT_OUT, _ONLY_NEEDED]).encode()
        )
        return CACHE / f"base-{self.name}-{total.hexdigest()[:16]}.tar"

    def make(self) -> Path:
        """Its archive; made when it is not there."""
        if self.archive.exists():
            return self.archive
        say(f"making the base image {self.name} of Debian's packages")
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = self.archive.with_suffix(".unfinished.tar")
        excluded = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in _LEFT_OUT]
        done = subprocess.run(
            [
                # It mounts the machine's /dev/shm into its tree. In mounts of its own, so that an
                # interrupted run leaves none that a later removal of the tree would reach through.
                "unshare", "--mount", "--propagation", "private",
                "mmdebstrap", "--variant=minbase", *excluded, _ONLY_NEEDED,
                # Nothing that is half written is ever used.
                "--dpkgopt=force-unsafe-io",
                f"--include={','.join(self.packages)}", _suite(), str(unfinished), *_sources(),
            ],
            capture_output=True,
            text=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise MissingBinaries(f"the base image {self.name} failed:\n{done.stderr[-3000:]}")
        unfinished.rename(self.archive)
        return self.archive

    @property
    def python(self) -> str:
        """The full version of its Python, such as 3.11.2."""
        status = subprocess.run(
            ["tar", "-xOf", str(self.archive), "./var/lib/dpkg/status"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        found = re.search(
            r"^Package: python3\.\d+-minimal\n(?:.+\n)*?Version: (\d+\.\d+\.\d+)",
            status,
            re.MULTILINE,
        )
        if found is None:
            raise MissingBinaries(f"the base image {self.name} holds no Python")
        return found[1]


TOOLS = (
    "ca-certificates", "curl", "diffutils", "file", "git", "jq", "less", "patch", "procps",
    "ripgrep", "tree", "unzip", "xz-utils",
)  # fmt: skip
PYTHON = Base("python", ("python3",))
WORKER = Base("worker", ("python3", *TOOLS))
EGRESS = Base("egress", ("squid",))
SERVERS = Base("servers", ("postgresql-15", "redis-server"))


def _suite() -> str:
    release = Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\S+)", release, re.MULTILINE)
    if found is None:
        raise MissingBinaries("/etc/os-release names no Debian release to make base images of")
    return found[1]


def _sources() -> list[str]:
    """The machine's own package sources, as far as they are the distribution's."""
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return [
        str(file)
        for file in files
        if file.suffix in (".list", ".sources")
        and file.exists()
        and re.search(r"/(?:debian|ubuntu)", file.read_text())
    ]
