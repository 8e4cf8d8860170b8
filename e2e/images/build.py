"""The images of the components, built from their Dockerfiles by buildah without a daemon.

An image is built once for what it is made of: its archive is kept under the hash of the
Dockerfile, the sources, the lock and the base. Builds run in mounts of their own, so that an
interrupted one leaves none behind.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from e2e.images import wheels
from e2e.images.bases import EGRESS, PYTHON, SERVERS, WORKER, Base
from e2e.node.binaries import CACHE, ROOT, MissingBinaries
from e2e.node.report import say

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
_STORE = CACHE / "buildah"


@dataclass(frozen=True, slots=True)
class Image:
    """A target of a Dockerfile on a base."""

    name: str
    dockerfile: str
    base: Base
    sources: tuple[str, ...]
    """What the Dockerfile copies, from the repository's root."""
    target: str = ""

    @property
    def reference(self) -> str:
        return f"{self.name}:{VERSION}"

    @property
    def archive(self) -> Path:
        total = hashlib.sha256(f"{self.base.archive.name}\0{self.target}\0{VERSION}".encode())
        for file in _files([self.dockerfile, *self.sources]):
            total.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
        return CACHE / f"image-{self.name}-{total.hexdigest()[:16]}.tar"


_CONTROLPLANE = ("tools/hatchling.txt", "proto", "crds", "controlplane")
IMAGES = (
    Image(
        "csp-worker",
        "worker/Dockerfile",
        WORKER,
        ("tools/hatchling.txt", "proto", "crds", "worker"),
    ),
    Image(
        "csp-operator", "operator/Dockerfile", PYTHON, ("tools/hatchling.txt", "crds", "operator")
    ),
    Image(
        "csp-gateway",
        "controlplane/Dockerfile",
        PYTHON,
        (*_CONTROLPLANE, "frontend/dist"),
        target="gateway",
    ),
    Image("csp-proxy", "controlplane/Dockerfile", PYTHON, _CONTROLPLANE, target="proxy"),
    Image(
        "csp-scripted-model",
        "controlplane/Dockerfile",
        PYTHON,
        _CONTROLPLANE,
        target="scripted-model",
    ),
    Image("csp-egress-proxy", "charts/images/egress-proxy/Dockerfile", EGRESS, ()),
)
# PostgreSQL and Redis of the trial installation; people use the official images.
SERVERS_REFERENCE = "csp-e2e-servers:1"


def build(images: tuple[Image, ...] = IMAGES) -> dict[str, Path]:
    """Archives by reference. Builds what is not there."""
    if not (ROOT / "frontend" / "dist" / "index.html").exists():
        raise MissingBinaries("The page is not built: `make build-page` first.")
    found = {}
    for image in images:
        image.base.make()
        if not image.archive.exists():
            _build(image)
        found[image.reference] = image.archive
    return found


def servers() -> Path:
    """The archive of the image with PostgreSQL and Redis."""
    SERVERS.make()
    archive = CACHE / f"image-servers-{SERVERS.archive.stem}.tar"
    if not archive.exists():
        _push(_import(SERVERS), SERVERS_REFERENCE, archive)
    return archive


def derive(image: Image, name: str, lines: str) -> Path:
    """An image that adds these Dockerfile lines to a built one, for tests of upgrades and of
    images that fail. `name` with its tag."""
    total = hashlib.sha256(f"{image.archive.name}\0{name}\0{lines}".encode()).hexdigest()[:16]
    archive = CACHE / f"derived-{name.replace(':', '-')}-{total}.tar"
    if not archive.exists():
        dockerfile = CACHE / f"derived-{total}.Dockerfile"
        dockerfile.write_text(f"FROM docker-archive:{image.archive}\n{lines}\n")
        _buildah("build", "-q", "-t", name, "-f", str(dockerfile), str(CACHE))
        _push(f"localhost/{name}", name, archive)
    return archive


def sizes(archives: Mapping[str, Path]) -> list[str]:
    """A line for each image: its size unpacked."""
    return [
        f"{name}: {path.stat().st_size / 1e6:.0f} MB" for name, path in sorted(archives.items())
    ]


def _build(image: Image) -> None:
    began = time.monotonic()
    say(f"building the image {image.reference}")
    base = _import(image.base)
    options = ["--build-arg", f"BASE={base}", "--build-arg", f"VERSION={VERSION}"]
    if image.base is not EGRESS:
        folder = wheels.fetch(image.base.python)
        options += [
            "--build-arg", "PIP=python3 /wheels/pip.whl/pip",
            "--build-arg", "PIP_NO_INDEX=1",
            "--build-arg", "PIP_FIND_LINKS=/wheels",
            "--volume", f"{folder}:/wheels:ro",
        ]  # fmt: skip
    if image.target:
        options += ["--target", image.target]
    _buildah(
        "build", "-q", "--layers", *options, "-t", image.reference,
        "-f", str(ROOT / image.dockerfile), str(ROOT),
    )  # fmt: skip
    _push(f"localhost/{image.reference}", image.reference, image.archive)
    say(f"building the image {image.reference}: done in {time.monotonic() - began:.0f} s")


def _import(base: Base) -> str:
    """The base's name in buildah's store."""
    name = f"localhost/{base.archive.stem}"
    if not _buildah("images", "-q", "--filter", f"reference={name}"):
        dockerfile = CACHE / f"{base.archive.stem}.Dockerfile"
        dockerfile.write_text(f"FROM scratch\nADD {base.archive.name} /\nENV LANG=C.UTF-8\n")
        _buildah("build", "-q", "--layers=false", "-t", name, "-f", str(dockerfile), str(CACHE))
    return name


def _push(source: str, reference: str, archive: Path) -> None:
    unfinished = archive.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    _buildah("push", "-q", source, f"docker-archive:{unfinished}:{reference}")
    unfinished.rename(archive)
    for old in archive.parent.glob(f"{archive.stem.rpartition('-')[0]}-*.tar"):
        if old != archive:
            old.unlink()


def _buildah(*arguments: str) -> str:
    command = [
        "unshare", "--mount", "--propagation", "private",
        "buildah", "--root", str(_STORE / "root"), "--runroot", str(_STORE / "run"),
        "--storage-driver", "overlay", *arguments,
    ]  # fmt: skip
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise MissingBinaries(
            f"buildah {arguments[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        )
    return done.stdout.strip()


def _files(names: list[str]) -> list[Path]:
    found: list[Path] = []
    for name in names:
        path = ROOT / name
        inside = path.rglob("*") if path.is_dir() else [path]
        found += [file for file in inside if file.is_file() and "__pycache__" not in file.parts]
    return sorted(found)
