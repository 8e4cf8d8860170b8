"""The first process of a box: arranges its mounts, then collects what dies. Imports none of ours.

Run as `python -I -S box_init.py DIRECTORY` inside fresh network, mount and process namespaces.
Directories that Kubernetes' programs write to are the box's own, so that a node leaves nothing in
the machine's. DIRECTORY/ready appears when all is in place.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys


def main(directory: pathlib.Path) -> None:
    # Volumes of pods are mounted while the container runtime runs: they must spread to it.
    _run("mount", "--make-rshared", "/")
    for own in ("lib", "log", "tmp"):
        (directory / own).mkdir()
    _run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    _run("mount", "--bind", directory / "lib", "/var/lib")
    _run("mount", "--bind", directory / "log", "/var/log")
    _run("ip", "link", "set", "lo", "up")
    for setting, value in {
        "net/ipv4/ip_forward": "1",
        "net/bridge/bridge-nf-call-iptables": "1",
    }.items():
        file = pathlib.Path("/proc/sys", setting)
        if file.exists():
            file.write_text(value)
    (directory / "ready").touch()
    # Container shims are orphans on purpose, and this process is whose they become.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        signal.sigtimedwait({signal.SIGCHLD}, 1.0)


def _run(*arguments: object) -> None:
    subprocess.run([str(argument) for argument in arguments], check=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
