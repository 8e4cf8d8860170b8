"""`python -m e2e binaries`: builds the programs of a cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# The processes and the waiting are those of the tests.
sys.path.append(str(Path(__file__).parents[1] / "tests"))

from e2e.node import binaries
from e2e.node.packages import install
from e2e.node.report import say


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m e2e", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("binaries", help="build the cluster's programs that are not there")
    build.add_argument("program", nargs="*", help="only these")
    options = parser.parse_args(arguments)
    try:
        return _binaries(options.program)
    except binaries.MissingBinaries as reason:
        say(str(reason))
        return 1


def _binaries(programs: Sequence[str]) -> int:
    install(("etcd-server",))
    binaries.build(programs=programs or None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
