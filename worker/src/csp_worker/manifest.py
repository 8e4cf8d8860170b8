"""The working directory as a list: what is in it, and which pieces its files are made of.

A checkpoint is this list and the pieces that it names. The list is made from the directory and read
again by the worker that brings it back; to everybody between it is bytes. Looking is cheap: names,
sizes and times make the fingerprint. Pieces are hashed only when that has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any, Literal

PIECE_BYTES = 1024 * 1024
MAX_ENTRIES = 200_000
MAX_MANIFEST_BYTES = 256 * 1024 * 1024
CACHE_TAG = "CACHEDIR.TAG"
"""Marks a directory whose contents can be made again (bford.info/cachedir)."""

FORMAT = 1
Kind = Literal["d", "f", "l"]


class BadManifest(Exception):
    """The list cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What of a directory is kept. Sizes in bytes; `exclude` are patterns of names."""

    total: int
    file: int
    exclude: tuple[str, ...] = ()

    def excludes(self, name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in self.exclude)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is not kept. `reason`: pattern, file_size or total_size."""

    path: str
    reason: Literal["pattern", "file_size", "total_size"]
    size: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory, a file or a link below the root. `changed`: nanoseconds, of files."""

    path: str
    kind: Kind
    mode: int
    size: int = 0
    changed: int = 0
    target: str = ""
    pieces: tuple[str, ...] = ()

    def to_json(self) -> list[Any]:
        return [self.path, self.kind, self.mode, self.size, self.changed, self.target,
                list(self.pieces)]  # fmt: skip


@dataclass(frozen=True)
class Survey:
    """What is in a directory, without the pieces."""

    entries: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...]
    fingerprint: str

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)

    @property
    def files(self) -> int:
        return sum(entry.kind == "f" for entry in self.entries)


@dataclass
class _Look:
    """What a survey has found so far."""

    limits: Limits
    entries: list[Entry] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def survey(root: Path, limits: Limits) -> Survey:
    """Looks at everything below `root` and reads no file. What vanishes meanwhile is not there."""
    look = _Look(limits)
    pending = [""]
    while pending:
        directory = pending.pop()
        for name, info, path in _listed(root, directory):
            if _look_at(look, name, info, path) and stat.S_ISDIR(info.st_mode):
                pending.append(name)
    if len(look.entries) > MAX_ENTRIES:
        look.left_out.append(LeftOut("", "total_size"))
        look.entries.clear()
    _fit(look)
    seen = hashlib.sha256()
    for entry in look.entries:
        line = f"{entry.path}\0{entry.kind}{entry.mode}\0{entry.size}\0{entry.changed}\n"
        seen.update(line.encode("utf-8", "surrogateescape"))
    for left in look.left_out:
        seen.update(f"-{left.path}\n".encode("utf-8", "surrogateescape"))
    return Survey(tuple(look.entries), tuple(look.left_out), seen.hexdigest())


def _listed(root: Path, directory: str) -> Iterator[tuple[str, os.stat_result, Path]]:
    try:
        with os.scandir(root / directory) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in found:
        try:
            info = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        yield f"{directory}/{entry.name}" if directory else entry.name, info, Path(entry.path)


def _look_at(look: _Look, name: str, info: os.stat_result, path: Path) -> bool:
    """Notes one thing. False: what is below it does not count."""
    mode = stat.S_IMODE(info.st_mode) & 0o777
    base = PurePosixPath(name).name
    if stat.S_ISDIR(info.st_mode):
        if look.limits.excludes(base) or (path / CACHE_TAG).is_file():
            look.left_out.append(LeftOut(name, "pattern"))
            return False
        look.entries.append(Entry(name, "d", mode))
    elif stat.S_ISLNK(info.st_mode):
        try:
            look.entries.append(Entry(name, "l", mode, target=str(path.readlink())))
        except OSError:
            return False
    elif stat.S_ISREG(info.st_mode):
        if look.limits.excludes(base):
            look.left_out.append(LeftOut(name, "pattern", info.st_size))
        elif info.st_size > look.limits.file:
            look.left_out.append(LeftOut(name, "file_size", info.st_size))
        else:
            entry = Entry(name, "f", mode, info.st_size, info.st_mtime_ns)
            look.entries.append(entry)
    # Sockets, pipes and devices mean nothing elsewhere.
    return True


def _fit(look: _Look) -> None:
    """Leaves the largest files out until the rest fits."""
    size = sum(entry.size for entry in look.entries)
    if size <= look.limits.total:
        return
    dropped: set[str] = set()
    for entry in sorted(look.entries, key=lambda entry: entry.size, reverse=True):
        if size <= look.limits.total:
            break
        dropped.add(entry.path)
        look.left_out.append(LeftOut(entry.path, "total_size", entry.size))
        size -= entry.size
    look.entries = [entry for entry in look.entries if entry.path not in dropped]


# ---- pieces -------------------------------------------------------------------------------------


def with_pieces(root: Path, found: Survey) -> tuple[Entry, ...]:
    """The entries with the hashes of their files' pieces; what cannot be read is left out."""
    entries = []
    for entry in found.entries:
        if entry.kind != "f":
            entries.append(entry)
            continue
        try:
            pieces = tuple(hashlib.sha256(data).hexdigest() for data in _pieces(root / entry.path))
        except OSError:
            continue
        entries.append(Entry(entry.path, "f", entry.mode, entry.size, entry.changed, "", pieces))
    return tuple(entries)


def piece(root: Path, path: str, index: int) -> bytes | None:
    """One piece of a file as it is now; None when it cannot be read."""
    try:
        with _opened(root / path) as file:
            file.seek(index * PIECE_BYTES)
            return bytes(file.read(PIECE_BYTES))
    except OSError:
        return None


def _pieces(path: Path) -> Iterator[bytes]:
    with _opened(path) as file:
        while data := file.read(PIECE_BYTES):
            yield data


def _opened(path: Path) -> Any:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError("not a file any more")
    return os.fdopen(handle, "rb")


# ---- as bytes -----------------------------------------------------------------------------------


def encode(entries: Sequence[Entry]) -> bytes:
    """What is stored. The same entries are the same bytes."""
    body = {"format": FORMAT, "entries": [entry.to_json() for entry in entries]}
    # Names need not be text: the escapes of the standard library's JSON carry them.
    return zlib.compress(json.dumps(body, separators=(",", ":")).encode(), 6)


def decode(data: bytes) -> tuple[Entry, ...]:
    """Raises BadManifest for what no worker of ours has written."""
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(data, MAX_MANIFEST_BYTES)
        if not unpacker.eof:
            raise BadManifest("the list of files cannot be read: it is cut off, or too long")
        body = json.loads(text)
        if body["format"] != FORMAT:
            raise BadManifest(f"the list has format {body['format']!r}, known is {FORMAT}")
        return tuple(_entry(*raw) for raw in body["entries"])
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise BadManifest(f"the list of files cannot be read: {error}") from error


def _entry(
    path: str, kind: Kind, mode: int, size: int, changed: int, target: str, pieces: list[str]
) -> Entry:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts or "\0" in path:
        raise BadManifest(f"the list names {path!r}, which is outside of the directory")
    if kind not in ("d", "f", "l") or len(pieces) * PIECE_BYTES < size:
        raise BadManifest(f"{path!r} does not fit its description")
    return Entry(path, kind, mode & 0o777, size, changed, target, tuple(pieces))
