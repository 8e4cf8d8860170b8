"""The tar file of a backup: writing one, and unpacking one that may have been tampered with."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from csp_controlplane.supervisor.errors import CommandError, ExitCode

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database.dump"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself."""

    format: int
    csp_version: str
    created_at: str


class Archive:
    """A backup being written."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def manifest(self, manifest: Manifest, scratch: Path) -> None:
        """First, so that a reader sees it without unpacking the rest."""
        file = scratch / MANIFEST
        file.write_text(json.dumps(asdict(manifest), indent=1))
        self._tar.add(file, MANIFEST)

    def add(self, path: Path, name: str) -> None:
        """A file, or a folder with all that can be kept of it. What vanishes meanwhile is left."""
        try:
            self._tar.add(path, name, recursive=False, filter=_plain)
        except FileNotFoundError:
            return
        if path.is_dir() and not path.is_symlink():
            for entry in sorted(path.iterdir()):
                self.add(entry, f"{name}/{entry.name}")


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """No sockets, pipes or devices, and nobody's names."""
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def read_manifest(tar: tarfile.TarFile, file: Path) -> Manifest:
    """Raises CommandError when the file is no backup that this csp understands."""
    first = tar.next()
    stream = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
    if stream is None:
        raise CommandError(f"{file} is not a backup made by csp.", ExitCode.USAGE)
    manifest = Manifest(**json.loads(stream.read()))
    if manifest.format > FORMAT:
        raise CommandError(
            f"{file} was made by a newer csp ({manifest.csp_version}): restore it with that one.",
            ExitCode.USAGE,
        )
    return manifest


def unpack(tar: tarfile.TarFile, target: Path) -> None:
    """Everything after the manifest. A member that would land outside of `target` is refused."""
    for member in _members(tar):
        path = target.joinpath(*PurePosixPath(member.name).parts)
        if ".." in PurePosixPath(member.name).parts or not _inside(path.parent, target):
            raise CommandError(
                f"The backup holds {member.name!r}, which lies outside of it: it was tampered "
                "with.",
                ExitCode.REFUSED,
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        if member.isdir():
            path.mkdir(exist_ok=True)
        elif member.issym():
            path.symlink_to(member.linkname)
        elif member.isfile():
            stream = tar.extractfile(member)
            if stream is not None:
                with path.open("xb") as file:
                    shutil.copyfileobj(stream, file, 1024 * 1024)
                path.chmod(member.mode & 0o777)


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        yield member


def _inside(path: Path, target: Path) -> bool:
    return path.resolve().is_relative_to(target.resolve())
