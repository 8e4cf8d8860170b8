"""Whether a step of the set-up has to run again: a hash of what goes in, kept beside what came out.

Times of files say nothing after a clone or a switch of branches; contents do. A stamp is written
only after its step succeeded, so that an interrupted step runs again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest(files: Iterable[Path], *more: str) -> str:
    """A hash of the files' names and contents, and of whatever else decides the outcome."""
    total = hashlib.sha256()
    for file in sorted(files):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{file}\0{content}\0".encode())
    for text in more:
        total.update(f"{text}\0".encode())
    return total.hexdigest()


def is_current(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text() == wanted


def write(stamp: Path, value: str) -> None:
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(value)
