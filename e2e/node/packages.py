"""Debian's packages that a node and its images need, installed when this is root on Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from e2e.node.binaries import MissingBinaries
from e2e.node.report import say

# Package to a file that it brings.
PROGRAMS = {
    "etcd-server": "/usr/bin/etcd",
    "containerd": "/usr/bin/containerd",
    "runc": "/usr/sbin/runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "iptables": "/usr/sbin/iptables",
    "conntrack": "/usr/sbin/conntrack",
    "iproute2": "/usr/sbin/ip",
    "buildah": "/usr/bin/buildah",
    "mmdebstrap": "/usr/bin/mmdebstrap",
    "haproxy": "/usr/sbin/haproxy",
}


def install(packages: Iterable[str]) -> None:
    """Installs what is not there and says so. Raises MissingBinaries where it cannot."""
    missing = [name for name in packages if not Path(PROGRAMS[name]).exists()]
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise MissingBinaries(
            f"{', '.join(missing)} must be installed first (names of Debian's packages; as root "
            "on Debian or Ubuntu this would install them itself)."
        )
    say(f"installing Debian's packages {' '.join(missing)}")
    # In run level 1 a package's service is not started: the node runs these programs itself.
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update", "-q"], ["install", "-qy", "--no-install-recommends", *missing]):
        done = subprocess.run(["apt-get", *arguments], env=quiet, capture_output=True, text=True)
        if done.returncode != 0:
            raise MissingBinaries(f"apt-get {arguments[0]} failed:\n{done.stderr[-2000:]}")
