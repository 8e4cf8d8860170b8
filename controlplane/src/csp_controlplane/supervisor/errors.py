"""Why `csp` could not do what it was asked: one sentence for a person and one exit code.

The sentence says what was wrong, where, and what to do. What only a log needs goes to the log.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every `csp` command; docs/reference/cli.md lists them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    ALREADY_RUNNING = 3
    PORT_TAKEN = 4
    DATA_DIRECTORY = 5
    DISK_FULL = 6
    MISSING_PART = 7
    DATABASE = 8
    PART_FAILED = 9
    NOT_RUNNING = 10
    REFUSED = 11
    INTERRUPTED = 130


class CommandError(Exception):
    """A foreseen failure of a command."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
