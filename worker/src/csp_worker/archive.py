"""The working directory as one archive, for the session's next worker.

A gzipped tar of directories, regular files and links, made and read piece by piece so that neither
side holds it whole. The agent may write at the same time: a file that shrinks is filled up with
zeros, one that vanishes is left out. Unpacking happens in an empty directory and makes links last,
so nothing is ever written through a link of the archive.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import tarfile
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from csp_proto import worker_pb2 as pb

CHUNK_BYTES = 1024 * 1024
READ_BYTES = 64 * 1024
BLOCK = tarfile.BLOCKSIZE
GZIP = 16 + zlib.MAX_WBITS
MAX_ENTRIES = 200_000
SLACK_BYTES = 16 * 1024 * 1024
"""What names and headers may add to the sizes of files."""


class BadArchive(Exception):
    """The archive cannot be unpacked; the directory holds a part of it."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in the directory: paths relative to it, the sum of sizes, and a hash of it all."""

    names: tuple[str, ...]
    size: int
    fingerprint: str


def survey(root: Path) -> Survey:
    """Looks at everything below `root` and reads no file. What vanishes meanwhile is not there."""
    names: list[str] = []
    size = 0
    seen = hashlib.sha256()
    pending = [""]
    while pending:
        directory = pending.pop()
        try:
            with os.scandir(root / directory) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in found:
            name = f"{directory}/{entry.name}" if directory else entry.name
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(info.st_mode):
                pending.append(name)
            elif stat.S_ISREG(info.st_mode):
                size += info.st_size
            elif not stat.S_ISLNK(info.st_mode):
                continue  # sockets, pipes and devices mean nothing elsewhere
            names.append(name)
            # A directory's own time changes with its entries, which are here themselves.
            changed = 0 if stat.S_ISDIR(info.st_mode) else info.st_mtime_ns
            line = f"{name}\0{info.st_mode}\0{info.st_size}\0{changed}\n"
            seen.update(line.encode("utf-8", "surrogateescape"))
    if len(names) > MAX_ENTRIES:
        # Reported as more than any limit allows.
        size = 2**62
    return Survey(tuple(names), size, seen.hexdigest())


# ---- packing ------------------------------------------------------------------------------------


def pack(root: Path, found: Survey) -> Iterator[bytes]:
    """The archive in pieces of at most CHUNK_BYTES."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, GZIP)
    ready = bytearray()
    for piece in _tar(root, found):
        ready += squeeze.compress(piece)
        while len(ready) >= CHUNK_BYTES:
            yield bytes(ready[:CHUNK_BYTES])
            del ready[:CHUNK_BYTES]
    ready += squeeze.flush()
    for start in range(0, len(ready), CHUNK_BYTES):
        yield bytes(ready[start : start + CHUNK_BYTES])


def _tar(root: Path, found: Survey) -> Iterator[bytes]:
    for name in found.names:
        yield from _member(root / name, name)
    yield bytes(2 * BLOCK)


def _member(path: Path, name: str) -> Iterator[bytes]:
    try:
        info = path.lstat()
        member = tarfile.TarInfo(name)
        member.mode = stat.S_IMODE(info.st_mode) & 0o777
        member.mtime = info.st_mtime
        if stat.S_ISDIR(info.st_mode):
            member.type = tarfile.DIRTYPE
            yield _header(member)
        elif stat.S_ISLNK(info.st_mode):
            member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
            yield _header(member)
        elif stat.S_ISREG(info.st_mode):
            yield from _file(path, member)
    except OSError:
        return


def _file(path: Path, member: tarfile.TarInfo) -> Iterator[bytes]:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode):
            return
        member.size = left = info.st_size
        yield _header(member)
        while left:
            # Once the header is out, the announced size has to come, whatever happens to the file.
            try:
                piece = file.read(min(READ_BYTES, left)) or bytes(min(READ_BYTES, left))
            except OSError:
                piece = bytes(min(READ_BYTES, left))
            left -= len(piece)
            yield piece
        yield bytes(-member.size % BLOCK)


def _header(member: tarfile.TarInfo) -> bytes:
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


# ---- unpacking ----------------------------------------------------------------------------------


async def unpack(root: Path, spool: Path, chunks: AsyncIterator[pb.WorkspaceChunk]) -> int:
    """Fills an empty directory and returns the number of files. Raises BadArchive.

    What comes is kept in a nameless file in `spool` until it is whole.
    """
    with tempfile.TemporaryFile(dir=spool) as file:
        limit = -1
        async for chunk in chunks:
            if limit < 0:
                limit = chunk.max_bytes
            file.write(chunk.data)
            if file.tell() > limit + SLACK_BYTES:
                raise BadArchive(f"the archive is larger than {limit} bytes")
        if limit < 0:
            raise BadArchive("no archive came")
        file.seek(0)
        return await asyncio.to_thread(_unpack, root, file, limit)


def _unpack(root: Path, file: IO[bytes], limit: int) -> int:
    if any(root.iterdir()):
        raise BadArchive("the working directory is not empty")
    links: list[tuple[Path, str]] = []
    files = total = 0
    try:
        with tarfile.open(fileobj=file, mode="r:gz", errorlevel=1) as archive:
            for member in archive:
                target = root / _inside(member.name)
                total += member.size
                if total > limit:
                    raise BadArchive(f"the archive holds more than {limit} bytes")
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True, mode=0o700)
                elif member.issym():
                    links.append((target, member.linkname))
                elif member.isreg():
                    _write(archive, member, target)
                    files += 1
        for target, destination in links:
            _link(target, destination)
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        raise BadArchive(f"the archive cannot be unpacked: {error}") from error
    return files


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise BadArchive(f"the archive names {name!r}, which is outside of it")
    return path


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = archive.extractfile(member)
    if source is None:
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
        while piece := source.read(READ_BYTES):
            file.write(piece)
        os.fchmod(file.fileno(), (member.mode & 0o777) | stat.S_IRUSR)
    os.utime(target, (member.mtime, member.mtime))


def _link(target: Path, destination: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not target.is_symlink() and not target.exists():
        target.symlink_to(destination)
