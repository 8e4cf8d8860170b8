"""Why `csp` could not do what it was asked: one sentence for a person and one exit code.

The sentence says what was wrong, where, and what to do. What only a log needs goes to the log.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every `csp` command."""

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


MEANINGS = {
    ExitCode.OK: "done, or stopped as asked",
    ExitCode.FAILED: "failed; of chat: the turn ended with an error; of doctor: something to fix",
    ExitCode.USAGE: "the command, a setting or a given file makes no sense",
    ExitCode.ALREADY_RUNNING: "csp already runs on this data directory",
    ExitCode.PORT_TAKEN: "a port is taken",
    ExitCode.DATA_DIRECTORY: "the data directory cannot be used",
    ExitCode.DISK_FULL: "the disk is full",
    ExitCode.MISSING_PART: "a part is not installed: the Claude CLI, the worker, a server",
    ExitCode.DATABASE: "the database, or Redis, cannot be used",
    ExitCode.PART_FAILED: "a part did not start; its log says why",
    ExitCode.NOT_RUNNING: "csp does not run, or the gateway does not answer",
    ExitCode.REFUSED: "refused: not allowed, not found, or in the way of something",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
}
"""For people; part of `csp --help`."""


class CommandError(Exception):
    """A foreseen failure of a command."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
