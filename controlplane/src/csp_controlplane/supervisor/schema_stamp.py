"""Remembers, inside the embedded database's directory, which migrations it has had.

Saves each start after the first the second that a look with the migration tool costs. The stamp is
part of the directory that it speaks of: a restored or new one has none. A database of one's own is
always asked.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from csp_controlplane.store import migrations
from csp_controlplane.supervisor.layout import Layout

_NAME = "csp-schema"


def _digest() -> str:
    versions = Path(next(iter(migrations.__path__))) / "versions"
    digest = hashlib.sha256()
    for file in sorted(versions.iterdir()):
        if file.suffix in (".py", ".sql"):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def is_current(layout: Layout) -> bool:
    """Whether this csp's migrations have all been applied and the owner made."""
    try:
        return (layout.postgres / _NAME).read_text() == _digest()
    except OSError:
        return False


def write(layout: Layout) -> None:
    """After the preparation has succeeded."""
    (layout.postgres / _NAME).write_text(_digest())
