"""One log file per component, as JSON lines, rotated.

Components write JSON lines to their standard error; what is not one (PostgreSQL, Valkey, a
traceback of the interpreter itself) is wrapped, so that a file can be read by one tool. The last
lines are kept in memory for the sentence that explains a failure.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

ROTATE_BYTES = 10 * 1024 * 1024
KEPT_FILES = 4
LONGEST_LINE = 256 * 1024

Clock = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LogFile:
    """Appends lines; at ROTATE_BYTES the file becomes `.1`, the one before `.2`, and so on."""

    def __init__(self, path: Path, rotate_bytes: int = ROTATE_BYTES) -> None:
        self.path = path
        self._rotate_bytes = rotate_bytes
        self._file: BinaryIO | None = None
        self._size = 0

    def write(self, line: bytes) -> None:
        """A full disk loses lines of the log, never the process that logs."""
        try:
            if self._file is None:
                self._open()
            elif self._size + len(line) > self._rotate_bytes:
                self._rotate()
            if self._file is not None:
                self._file.write(line + b"\n")
                self._size += len(line) + 1
        except OSError:
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        self._file = self.path.open("ab", buffering=0)
        self.path.chmod(0o600)
        self._size = self.path.stat().st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(KEPT_FILES - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            if older.exists():
                older.replace(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        self._open()


class ComponentLog:
    """What one component says: into its file, and its last lines at hand."""

    def __init__(self, component: str, file: LogFile, *, clock: Clock = _utc_now) -> None:
        self.component = component
        self.file = file
        self._clock = clock
        self._last: deque[str] = deque(maxlen=20)

    def line(self, raw: bytes, **fields: str) -> None:
        """One line of output, without its end."""
        if not raw.strip():
            return
        parsed = _json_object(raw)
        if parsed is None:
            text = raw.decode(errors="replace")
            parsed = {
                "message": text,
                "component": self.component,
                **fields,
                "level": "info",
                "timestamp": self._clock().isoformat(),
            }
            raw = json.dumps(parsed, ensure_ascii=False).encode()
        self._last.append(_readable(parsed))
        self.file.write(raw)

    def tail(self, count: int = 3) -> str:
        """The last lines as a person reads them."""
        return "\n".join(list(self._last)[-count:])


def _json_object(raw: bytes) -> dict[str, object] | None:
    if not raw.startswith(b"{"):
        return None
    try:
        parsed = json.loads(raw)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _readable(line: dict[str, object]) -> str:
    message = str(line.get("message") or line.get("event") or "")
    exception = str(line.get("exception") or "").strip().splitlines()
    return f"{message} {exception[-1]}" if exception else message


class LinePump(asyncio.Protocol):
    """Reads a child's output and hands on its lines; always reads, so the child never blocks."""

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self._sink = sink
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._sink(line)
        if len(self._rest) > LONGEST_LINE:
            self._sink(self._rest)
            self._rest = b""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._rest:
            self._sink(self._rest)
            self._rest = b""
