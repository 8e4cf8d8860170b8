"""What is between a worker and the gateways, in the worker's own process: it dies with the worker.

The worker listens beside the address that everybody knows; a relay there passes everything on. The
bench tells the relay by datagrams to a socket beside the worker's journal.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

# The relay is that of the tests.
sys.path.append(str(Path(__file__).parents[2] / "tests"))

from support.choke import Choke

LISTEN = "CSP_WORKER_LISTEN"
CUT, HOLD, RELEASE = b"cut", b"hold", b"release"


def put_between(control: Path) -> None:
    """Before the worker reads its settings."""
    known = Path(os.environ[LISTEN].removeprefix("unix:"))
    behind = known.with_suffix(".behind")
    os.environ[LISTEN] = f"unix:{behind}"
    relay = Choke(known, behind).start()
    orders = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    orders.bind(str(control))
    acts = {CUT: relay.cut, HOLD: relay.hold_answers, RELEASE: relay.release}

    def obey() -> None:
        while True:
            acts[orders.recv(16)]()

    threading.Thread(target=obey, name="worker-link", daemon=True).start()


def tell(control: Path, order: bytes) -> bool:
    """False: the worker is gone."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(order, str(control))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
