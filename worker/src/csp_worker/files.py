"""Looking into the session's working directory, and nowhere else.

Links are followed only where they stay inside. The agent writes here at the same time, so a name
may change between two looks: what is opened is checked after it was opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ENTRY_LIMIT = 2000
CHUNK_BYTES = 64 * 1024


class NotThere(Exception):
    """The path is absent or outside: a caller cannot tell which."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a directory."""

    name: str
    directory: bool
    size: int
    modified_at: float


def listing(root: Path, path: str) -> tuple[list[Entry], bool]:
    """Entries of one directory by name, and whether there are more. Raises NotThere."""
    directory = _inside(root, path)
    found: list[Entry] = []
    try:
        with os.scandir(directory) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                if len(found) == ENTRY_LIMIT:
                    return found, True
                item = _entry(root, entry)
                if item is not None:
                    found.append(item)
    except OSError as error:
        raise NotThere(path) from error
    return found, False


def chunks(root: Path, path: str, max_bytes: int) -> Iterator[tuple[bytes, int]]:
    """Pieces of a regular file, each with the file's size. Raises NotThere."""
    target = _inside(root, path)
    if target.is_dir():
        raise NotThere(path)
    try:
        # Not blocking: a named pipe must not hold the worker.
        handle = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotThere(path) from error
    with os.fdopen(handle, "rb") as file:
        info = os.fstat(handle)
        opened = Path(f"/proc/self/fd/{handle}")
        if not stat.S_ISREG(info.st_mode) or (
            opened.exists() and not _is_below(root, Path(os.path.realpath(opened)))
        ):
            raise NotThere(path)
        left = max_bytes or info.st_size
        first = True
        while first or left > 0:
            piece = file.read(min(CHUNK_BYTES, left))
            if piece or first:
                yield piece, info.st_size
            first = False
            left -= len(piece)
            if not piece:
                return


def _inside(root: Path, path: str) -> Path:
    if "\0" in path:
        raise NotThere(path)
    try:
        target = (root / path).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise NotThere(path) from error
    if not _is_below(root, target):
        raise NotThere(path)
    return target


def _is_below(root: Path, target: Path) -> bool:
    return target == root or root in target.parents


def _entry(root: Path, entry: os.DirEntry[str]) -> Entry | None:
    try:
        if entry.is_symlink() and not _is_below(root, Path(entry.path).resolve()):
            return None
        info = entry.stat()
        name = entry.name.encode("utf-8", "replace").decode()
        return Entry(name, stat.S_ISDIR(info.st_mode), info.st_size, info.st_mtime)
    except (OSError, RuntimeError):
        return None
