"""`python -m e2e`: csp on a real Kubernetes node, for its tests and for a look around."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

# The processes and the waiting are those of the tests.
sys.path.append(str(Path(__file__).parents[1] / "tests"))

import pytest

from e2e.images import build
from e2e.installation import Installation
from e2e.node import binaries, packages
from e2e.node.native import NativeCluster
from e2e.node.report import say
from e2e.node.traces import traces

# Making the cluster and its images takes what it takes; a test does not.
_PYTEST = ("-p", "no:xdist", "--capture=sys", "--timeout=900", "-o", "timeout_func_only=true")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m e2e", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    programs = commands.add_parser("binaries", help="build the cluster's programs")
    programs.add_argument("program", nargs="*", help="only these")
    commands.add_parser("images", help="build the images and print their sizes")
    commands.add_parser("up", help="install csp on a node and keep it until Ctrl-C")
    commands.add_parser("test", help="run the tests; all further arguments go to pytest")
    options, further = parser.parse_known_args(arguments)
    if further and options.command != "test":
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    try:
        match options.command:
            case "binaries":
                packages.install(("etcd-server",))
                binaries.build(programs=options.program or None)
            case "images":
                _images()
            case "up":
                _up()
            case "test":
                return _test(further)
    except binaries.MissingBinaries as reason:
        say(str(reason))
        return 1
    return 0


def _test(arguments: list[str]) -> int:
    """All tests, or those of the files that are named."""
    named = any(argument.startswith("e2e/") for argument in arguments)
    before = traces()
    outcome = int(pytest.main([*_PYTEST, *([] if named else ["e2e/tests"]), *arguments]))
    return outcome or _left_over(before)


def _left_over(before: set[str]) -> int:
    """1 when something of the node is still on the machine."""
    left = sorted(traces() - before)
    for trace in left:
        say(f"LEFT OVER: {trace}")
    if not left:
        say("nothing of the node is left: no process, link, mount, control group or directory")
    return 1 if left else 0


def _images() -> None:
    packages.install(("buildah", "mmdebstrap"))
    for line in build.sizes(build.build()):
        print(line)


def _up() -> None:
    packages.install(("buildah", "mmdebstrap"))
    archives = [*build.build().values(), build.servers()]
    cluster = NativeCluster()
    try:
        cluster.start()
        for archive in archives:
            cluster.load(archive)
        installation = Installation(cluster)
        installation.install()
        say(f"export KUBECONFIG={cluster.kubeconfig}")
        say(f"kubectl and helm are {' and '.join(map(str, _clients()))}")
        say(f"sign in: {installation.sign_in_link()}")
        say("Ctrl-C removes everything")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        cluster.close()


def _clients() -> list[Path]:
    return list(binaries.require("kubectl", "helm").values())


if __name__ == "__main__":
    sys.exit(main())
