"""The programs of a cluster, built from pinned Go modules and kept by what they were built from.

Kubernetes publishes its commands as one Go module, so that a node needs no download other than
from the module proxy and go.sum says exactly what is in it. CoreDNS comes the same way. etcd is
Debian's package and Helm the Python index's: neither is part of what is tested.

A group's programs lie in `.cache/cluster/<group>-<hash of its go.mod, go.sum and sources>`; the
same hash is never built twice, and Go's own cache makes a second checkout quick.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from e2e.node import helm
from e2e.node.report import say

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("CSP_CLUSTER_CACHE") or ROOT / ".cache" / "cluster")
_GO = (1, 26)
# Niced, because a person who runs the tests is often still working on the machine.
_NICE = 19


class MissingBinaries(Exception):
    """Programs that are not there; the text says which and how to get them."""


@dataclass(frozen=True, slots=True)
class Group:
    """Programs that one Go module builds."""

    name: str
    module: str
    """The module whose version the programs report."""
    programs: dict[str, str]
    """Program to the package of its main function."""

    @property
    def folder(self) -> Path:
        return HERE / self.name

    @property
    def version(self) -> str:
        found = re.search(
            rf"^(?:require )?\s*{re.escape(self.module)} (v\S+)",
            (self.folder / "go.mod").read_text(),
            re.MULTILINE,
        )
        if found is None:
            raise MissingBinaries(f"{self.folder / 'go.mod'} does not require {self.module}")
        return found[1]

    @property
    def directory(self) -> Path:
        total = hashlib.sha256(repr(sorted(self.programs.items())).encode())
        for file in sorted([*self.folder.glob("go.*"), *self.folder.glob("*.go")]):
            total.update(file.name.encode() + b"\0" + file.read_bytes())
        return CACHE / f"{self.name}-{total.hexdigest()[:16]}"


KUBERNETES = Group(
    "kubernetes",
    "k8s.io/kubernetes",
    {
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in (
            "kube-apiserver",
            "kubectl",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
        )
    },
)
COREDNS = Group("coredns", "github.com/coredns/coredns", {"coredns": "."})
GROUPS = (KUBERNETES, COREDNS)


def find(name: str) -> Path | None:
    """A built program, or one of Debian's packages on the PATH."""
    if name == "helm":
        path = helm.directory(CACHE) / name
        return path if path.exists() else None
    for group in GROUPS:
        if name in group.programs:
            path = group.directory / name
            return path if path.exists() else None
    found = shutil.which(name)
    return Path(found) if found else None


def require(*names: str) -> dict[str, Path]:
    """Paths of all of them. Raises MissingBinaries that names those that are not there."""
    found = {name: find(name) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise MissingBinaries(
            f"{', '.join(missing)} not found. `make e2e-binaries` builds what Go builds; etcd is "
            "Debian's package etcd-server."
        )
    return {name: path for name, path in found.items() if path is not None}


def build(groups: Iterable[Group] = GROUPS, programs: Iterable[str] | None = None) -> None:
    """Gets what is not there, one program after the other, most wanted first."""
    if (programs is None or "helm" in programs) and find("helm") is None:
        _fetch_helm()
    for group in groups:
        wanted = [name for name in group.programs if programs is None or name in programs]
        missing = [name for name in wanted if not (group.directory / name).exists()]
        if missing:
            _check_go()
            _build(group, missing)


def _fetch_helm() -> None:
    say("fetching helm")
    directory = helm.directory(CACHE)
    directory.mkdir(parents=True, exist_ok=True)
    unfinished = directory / f"unfinished-{os.getpid()}"
    try:
        helm.fetch(unfinished)
    except RuntimeError as reason:
        raise MissingBinaries(str(reason)) from None
    unfinished.rename(directory / "helm")


def _build(group: Group, names: list[str]) -> None:
    group.directory.mkdir(parents=True, exist_ok=True)
    with (group.directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in names:
            target = group.directory / name
            if target.exists():  # the process that we waited for has built it
                continue
            began = time.monotonic()
            say(f"building {name} {group.version}")
            unfinished = target.with_suffix(".unfinished")
            _go_build(group, name, unfinished)
            unfinished.rename(target)
            say(f"building {name} {group.version}: done in {time.monotonic() - began:.0f} s")


def _go_build(group: Group, name: str, target: Path) -> None:
    arguments = [
        "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
        "-ldflags", _ldflags(group), "-o", str(target), group.programs[name],
    ]  # fmt: skip
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    done = subprocess.run(
        ["nice", "-n", str(_NICE), *arguments],
        cwd=group.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise MissingBinaries(
            f"{name} could not be built in {group.folder}:\n{done.stderr[-4000:]}\n"
            "Go modules come from the machine's module proxy: check `go env GOPROXY`."
        )


def _ldflags(group: Group) -> str:
    flags = ["-s", "-w"]
    if group is KUBERNETES:
        # Without these the programs report v0.0.0-master, and clients refuse them.
        major, minor, _ = group.version.removeprefix("v").split(".", 2)
        values = {
            "gitVersion": group.version,
            "gitMajor": major,
            "gitMinor": minor,
            "gitTreeState": "clean",
        }
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
            flags += [f"-X {package}.{name}={value}" for name, value in values.items()]
    return " ".join(flags)


def _check_go() -> None:
    wanted = ".".join(map(str, _GO))
    try:
        told = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True).stdout
    except FileNotFoundError:
        raise MissingBinaries(
            f"Go {wanted} or newer is needed to build the cluster's programs, and there is none "
            "on the PATH."
        ) from None
    found = re.match(r"go(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < _GO:
        raise MissingBinaries(
            f"Go {wanted} or newer is needed to build the cluster's programs; the one on the PATH "
            f"is {told.strip() or 'unknown'}."
        )
