"""Where a worker keeps things: one private directory, and the session's working directory beside.

The CLI's configuration directory belongs to one session, because sessions that share one see each
other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_SESSION_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$")


@dataclass(frozen=True, slots=True)
class Paths:
    """All absolute and free of links, since the CLI reports real paths."""

    home: Path
    workspace_root: Path

    @classmethod
    def create(cls, home: Path, workspace_root: Path) -> Paths:
        """Makes the directories. Raises OSError."""
        paths = cls(home.resolve(), workspace_root.resolve())
        for directory in (paths.home, paths.config, paths.parking, paths.tmp, paths.user_home):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        paths.workspace_root.mkdir(parents=True, exist_ok=True)
        return paths

    @property
    def config(self) -> Path:
        return self.home / "config"

    @property
    def parking(self) -> Path:
        """Working directory of a spare, which is nobody's."""
        return self.home / "parking"

    @property
    def tmp(self) -> Path:
        return self.home / "tmp"

    @property
    def user_home(self) -> Path:
        """HOME of the CLI and its tools: the account's own files are not the agent's business."""
        return self.home / "home"

    @property
    def launcher(self) -> Path:
        return self.home / "cli"

    @property
    def spill(self) -> Path:
        return self.home / "facts.spill"

    def has_workspace(self, session_id: str) -> bool:
        """Whether the session was here before."""
        return bool(_SESSION_ID.match(session_id)) and (self.workspace_root / session_id).is_dir()

    def restoring(self, session_id: str) -> Path:
        """Where the session's files are put together before they are its working directory: what a
        dying worker leaves here is nobody's. Raises ValueError."""
        if not _SESSION_ID.match(session_id):
            raise ValueError(f"session id {session_id!r}: letters, digits, - and _ only")
        return self.workspace_root / f".{session_id}.restoring"

    def workspace(self, session_id: str) -> Path:
        """The session's working directory, made if need be. Raises ValueError, OSError."""
        if not _SESSION_ID.match(session_id):
            raise ValueError(f"session id {session_id!r}: letters, digits, - and _ only")
        directory = self.workspace_root / session_id
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return directory.resolve()
