"""`csp up`."""

from __future__ import annotations

import os

from csp_controlplane.cli.instance import layout


def run_up(*, host: str, port: int, gateways: int) -> int:
    """Blocks until stopped; returns the exit code."""
    # gRPC's fork handlers are for programs that fork without exec; they only print warnings here.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    from csp_controlplane.supervisor.run import UpOptions, up

    return up(UpOptions(layout(), host, port, gateways, dict(os.environ)))
