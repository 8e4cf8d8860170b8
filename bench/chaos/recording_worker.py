"""The product's worker, with a copy of its journal in a file that outlives it.

Each fact that the worker numbers, and each number that it holds for acknowledged, is one line,
written before anything else happens to it: after a kill the file says what the worker knew. What
reaches it goes through a relay of the bench.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

# The relay is the bench's.
sys.path.append(str(Path(__file__).parents[2]))

from bench.chaos.worker_link import put_between
from csp_worker import __main__ as worker
from csp_worker import journal


def record(directory: Path) -> None:
    """Wraps the journal."""
    path = directory / os.environ["CSP_WORKER_ID"]
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    append, ack = journal.Journal.append, journal.Journal.ack

    def appending(self: Any, event: Any) -> int:
        n = append(self, event)
        digest = hashlib.sha256(event.payload).hexdigest()
        os.write(file, f"said {n} {digest}\n".encode())
        return n

    def acknowledged(self: Any, n: int) -> bool:
        news = ack(self, n)
        if news:
            os.write(file, f"acked {n}\n".encode())
        return news

    journal.Journal.append = appending  # type: ignore[method-assign]
    journal.Journal.ack = acknowledged  # type: ignore[method-assign]


if __name__ == "__main__":
    record(Path(sys.argv[1]))
    put_between(Path(sys.argv[1]) / f"{os.environ['CSP_WORKER_ID']}.link")
    worker.run()
