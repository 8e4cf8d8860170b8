"""The whole of what a tool wrote, where the CLI shows the model no more than its beginning.

The CLI keeps long output in a file of its own, which nobody but the agent can read and which ends
with the worker. It is put beside the session's files, where people find it and checkpoints keep it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

DIRECTORY = Path(".csp/outputs")
COPY_LIMIT = 16 * 1024 * 1024
"""What is copied, where a link to it cannot be made; more would keep the worker from its work."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WholeOutput:
    """A file of the working directory; `path` is relative to it."""

    path: str
    size_bytes: int


class Outputs:
    """`config` is the CLI's directory, `workspace` the session's, once there is one."""

    def __init__(self, config: Path, workspace: Callable[[], Path | None]) -> None:
        self._config = config
        self._workspace = workspace

    def keep(self, event_id: str, extra: Any) -> WholeOutput | None:
        """What a result (the CLI's `tool_use_result`) left out; None: nothing, or not to be had."""
        named = extra.get("persistedOutputPath") if isinstance(extra, dict) else None
        workspace = self._workspace()
        if not isinstance(named, str) or workspace is None:
            return None
        try:
            source = Path(named).resolve(strict=True)
            if not source.is_relative_to(self._config):
                return None
            size = source.stat().st_size
            relative = DIRECTORY / f"{event_id}.txt"
            _place(source, workspace / relative, size)
        except (OSError, ValueError) as error:
            _log.warning("output not kept", event_id=event_id, reason=str(error))
            return None
        return WholeOutput(str(relative), size)


def _place(source: Path, target: Path, size: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), (target.parent.parent / ".gitignore").open("x") as ignore:
        ignore.write("*\n")
    try:
        os.link(source, target)
    except OSError:
        if size > COPY_LIMIT:
            raise
        shutil.copyfile(source, target)
