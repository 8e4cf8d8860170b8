"""A process that has imported the control plane and bears gateways and proxies by forking.

A gateway that is killed hundreds of times would spend most of a run importing. What runs in the
fork is the product's own entry point, in a process of its own that dies like any other; only the
imports are not repeated. Here probes and planted mistakes are put in, before the entry point runs.

It reads one JSON object a line, {"module", "environment", "log", "probes", "plant"}, and answers
with a line that holds the pid.
"""

from __future__ import annotations

import ctypes
import json
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

# The servers and the planted mistakes are those of the tests.
sys.path.append(str(Path(__file__).parents[2] / "tests"))

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Until its input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _import()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _live(order)
        print(pid, flush=True)


def _import() -> None:
    import csp_controlplane.gateway.app
    import csp_controlplane.gateway.server
    import csp_controlplane.proxy.app  # noqa: F401


def _live(order: dict[str, Any]) -> None:
    """Never returns."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.environ.update(order["environment"])
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number in (1, 2):
            os.dup2(log, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - of the descriptor above
        if order["probes"]:
            from bench.chaos.probes import install

            install(Path(order["probes"]))
        if order["plant"]:
            from support.sim.planted import PLANTS

            PLANTS[order["plant"]]()
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
