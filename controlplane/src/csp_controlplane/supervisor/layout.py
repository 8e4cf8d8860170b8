"""Where things lie in a data directory.

Unix sockets have a path limit of about 100 bytes, so they live in `run/` of the data directory only
when that is short enough, and otherwise in a private directory of the system's temporary folder
whose name is derived from the data directory.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from csp_controlplane.supervisor.errors import CommandError, ExitCode

_LONGEST_RUN_DIRECTORY = 60
"""Bytes; leaves room for `/w/wrkr_<26 characters>.sock`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one local installation."""

    data: Path

    @property
    def lock(self) -> Path:
        return self.data / "csp.lock"

    @property
    def instance(self) -> Path:
        """What runs at the moment: written by `csp up`, read by the other commands."""
        return self.data / "instance.json"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def postgres(self) -> Path:
        return self.data / "postgres"

    @property
    def valkey(self) -> Path:
        return self.data / "valkey"

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def signing_key(self) -> Path:
        """The private key, for gateways only."""
        return self.keys / "signing.jwk"

    @property
    def jwks(self) -> Path:
        """The public key set, for workers."""
        return self.data / "public" / "jwks.json"

    @property
    def workspaces(self) -> Path:
        return self.data / "workspaces"

    @property
    def objects(self) -> Path:
        """Pieces of checkpoints."""
        return self.data / "objects"

    @property
    def workers(self) -> Path:
        """Homes of workers, each private and removed with its worker."""
        return self.data / "workers"

    @property
    def run(self) -> Path:
        inside = self.data / "run"
        if len(os.fsencode(inside)) <= _LONGEST_RUN_DIRECTORY:
            return inside
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"csp-{os.getuid()}-{digest}"

    @property
    def socket(self) -> Path:
        """The supervisor's API."""
        return self.run / "supervisor.sock"

    @property
    def worker_sockets(self) -> Path:
        return self.run / "w"

    @property
    def postgres_sockets(self) -> Path:
        return self.run / "pg"

    @property
    def valkey_socket(self) -> Path:
        return self.run / "valkey.sock"

    def create(self) -> None:
        """Makes the directories, private to this user. Raises CommandError with the reason."""
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            files = (self.workspaces, self.objects, self.workers)
            for path in (self.logs, self.keys, *files, self.jwks.parent):
                path.mkdir(mode=0o700, exist_ok=True)
            self.run.mkdir(mode=0o700, exist_ok=True)
            self.worker_sockets.mkdir(mode=0o700, exist_ok=True)
            self._probe_writing()
        except OSError as error:
            raise _unusable(self.data, error) from error
        if self.run.stat().st_uid != os.getuid():
            raise CommandError(
                f"The directory {self.run} for csp's sockets belongs to another user: remove it, "
                "or choose a shorter CSP_DATA_DIR.",
                ExitCode.DATA_DIRECTORY,
            )

    def _probe_writing(self) -> None:
        probe = self.data / ".probe"
        probe.write_bytes(b"csp")
        probe.unlink()


def _unusable(data: Path, error: OSError) -> CommandError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CommandError(
            f"The disk of the data directory {data} is full: free some space, or choose another "
            "directory with CSP_DATA_DIR.",
            ExitCode.DISK_FULL,
        )
    return CommandError(
        f"The data directory {data} cannot be used ({error.strerror or error}): make it writable "
        "for this user, or choose another with CSP_DATA_DIR.",
        ExitCode.DATA_DIRECTORY,
    )
