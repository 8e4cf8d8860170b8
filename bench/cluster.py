"""`python -m bench.cluster`: what the operator and the API server do with sessions.

The same lines as `python -m bench`. Most figures need an API server and etcd, no node: pods are
objects that the bench marks Ready, so that a claim is measured and not the machine's kubelet. Those
of `ready` need a real node, and so root; without it they are left out unless they are asked for.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# The servers are those of the tests, and their programs those of the node.
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

from bench import claims, crowd, flat, mass, ready  # noqa: E402
from bench.__main__ import main  # noqa: E402
from bench.suites import Suite  # noqa: E402

SUITES: tuple[Suite, ...] = (
    Suite("claims", claims.FIGURES, claims.measure),
    Suite("crowd", crowd.FIGURES, crowd.measure),
    Suite("mass", mass.FIGURES, mass.measure),
    Suite("ready", ready.FIGURES, ready.measure, by_name=os.geteuid() != 0),
    Suite("flat", flat.FIGURES, flat.measure, by_name=True),
)

if __name__ == "__main__":
    sys.exit(main(known=SUITES, program="python -m bench.cluster"))
