"""Puts a working directory into the state that a manifest describes.

What is there and right stays, the rest comes from pieces that the control plane hands over, each of
which is checked. Nothing is written through a link: links are removed first and made last.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from csp_worker.manifest import (
    BadManifest,
    Entry,
    Limits,
    decode,
    piece,
    survey,
    with_pieces,
)


class Restoration:
    """One restoring: `wanted` first, then `take` for each piece, then `finish`; `close` always."""

    def __init__(self, root: Path, spool: Path, manifest: bytes, limits: Limits) -> None:
        """Raises BadManifest."""
        self._root = root
        self._limits = limits
        self._entries = {entry.path: entry for entry in decode(manifest)}
        if sum(entry.size for entry in self._entries.values()) > limits.total:
            raise BadManifest(f"the list holds more than {limits.total} bytes")
        self._spool = Path(tempfile.mkdtemp(dir=spool, prefix="restore-"))
        self._kept: set[str] = set()
        self._missing: set[str] = set()

    def wanted(self) -> list[str]:
        """Hashes of the pieces that this directory does not hold. Reads its files."""
        needed: set[str] = set()
        found = survey(self._root, self._limits)
        here = {entry.path: entry for entry in with_pieces(self._root, found)}
        for path, entry in self._entries.items():
            there = here.get(path)
            if there is not None and (there.kind, there.size, there.pieces, there.target) == (
                entry.kind, entry.size, entry.pieces, entry.target
            ):  # fmt: skip
                self._kept.add(path)
            else:
                needed.update(entry.pieces)
        self._collect(needed, here.values())
        return sorted(needed)

    def take(self, data: bytes) -> None:
        """A piece. One that nobody asked for is dropped."""
        name = hashlib.sha256(data).hexdigest()
        if name in self._missing:
            (self._spool / name).write_bytes(data)
            self._missing.discard(name)

    def finish(self) -> int:
        """Changes the directory; the number of files in it. Raises BadManifest, OSError."""
        if self._missing:
            raise BadManifest(f"{len(self._missing)} pieces of files did not come")
        self._clear()
        links = []
        for path, entry in sorted(self._entries.items()):
            target = self._root / path
            if entry.kind == "l":
                links.append((target, entry))
            elif entry.kind == "d":
                target.mkdir(parents=True, exist_ok=True, mode=0o700)
            elif path in self._kept:
                _dress(target, entry)
            else:
                self._write(target, entry)
        for target, entry in links:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            target.symlink_to(entry.target)
        for path, entry in self._entries.items():
            if entry.kind == "d":
                (self._root / path).chmod(entry.mode | stat.S_IRWXU)
        return sum(entry.kind == "f" for entry in self._entries.values())

    def close(self) -> None:
        shutil.rmtree(self._spool, ignore_errors=True)

    def _collect(self, needed: set[str], here: Iterable[Entry]) -> None:
        """Takes what the directory already holds under other names."""
        for entry in here:
            for index, name in enumerate(entry.pieces):
                if name not in needed:
                    continue
                data = piece(self._root, entry.path, index)
                if data is not None and hashlib.sha256(data).hexdigest() == name:
                    (self._spool / name).write_bytes(data)
                    needed.discard(name)
        self._missing = set(needed)

    def _clear(self) -> None:
        """Removes what is not in the manifest, and every link; what is never kept stays."""
        for entry in reversed(survey(self._root, self._limits).entries):
            target = self._root / entry.path
            wanted = self._entries.get(entry.path)
            if entry.kind == "d":
                if wanted is None or wanted.kind != "d":
                    _remove_if_empty(target)
            elif entry.kind == "l" or entry.path not in self._kept:
                target.unlink(missing_ok=True)

    def _write(self, target: Path, entry: Entry) -> None:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
            for name in entry.pieces:
                file.write((self._spool / name).read_bytes())
        _dress(target, entry)


def _dress(target: Path, entry: Entry) -> None:
    target.chmod(entry.mode | stat.S_IRUSR)
    os.utime(target, ns=(entry.changed, entry.changed))


def _remove_if_empty(target: Path) -> None:
    try:
        target.rmdir()
    except OSError:
        return  # holds what is never kept
