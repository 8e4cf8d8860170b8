"""A command in a terminal of its own: what a person sees is read, what they type is written."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from support.waiting import DeadlineExceeded

CTRL_C = b"\x03"
CTRL_D = b"\x04"


class TerminalProcess:
    """The command has the terminal as its controlling one, so that Ctrl-C reaches it as SIGINT."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._main, other = pty.openpty()
        self.seen = ""
        self._searched = 0
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *arguments],
            stdin=other,
            stdout=other,
            stderr=other,
            env={**os.environ, "TERM": "dumb", "COLUMNS": "200", **environment},
        )
        os.close(other)

    @property
    def pid(self) -> int:
        return self._process.pid

    def expect(self, pattern: str, deadline: float = 60.0) -> str:
        """Reads until the pattern appears after the last one; returns what matched."""
        end = time.monotonic() + deadline
        while (found := re.search(pattern, self.seen[self._searched :])) is None:
            if not self._read(end - time.monotonic()):
                raise DeadlineExceeded(f"{pattern!r} was not shown; shown was:\n{self.seen}")
        self._searched += found.end()
        return found.group()

    def enter(self, text: str) -> None:
        """A line."""
        self.press(text.encode() + b"\n")

    def press(self, keys: bytes) -> None:
        os.write(self._main, keys)

    def wait(self, deadline: float = 60.0) -> int:
        """The exit code, once it has ended."""
        end = time.monotonic() + deadline
        while self._read(end - time.monotonic()):
            pass
        return self._process.wait(max(0.1, end - time.monotonic()))

    def _read(self, seconds: float) -> bool:
        """False at the end of the output, or when there is none in time."""
        readable, _, _ = select.select([self._main], [], [], max(0.0, seconds))
        if not readable:
            return False
        try:
            data = os.read(self._main, 65536)
        except OSError:  # the other end is closed
            return False
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        os.close(self._main)
