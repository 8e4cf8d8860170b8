"""Plans that the agent makes in plan mode: Markdown files in the CLI's own directory.

The CLI tells the model to write its plan into such a file and then to call ExitPlanMode without
it. A person who is to accept a plan has to read it, so it is read here when they are asked.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from csp_worker.text import cap, clean

_BY_HELPERS = "-agent-"
"""In the names of files that belong to subagents."""


class Plans:
    """The plans of one session, in the directory that the CLI keeps them in."""

    def __init__(self, config: Path) -> None:
        self.directory = config / "plans"

    def newest(self) -> str | None:
        """The agent's plan as it is now; None: it has written none."""
        found = [path for path in self.directory.glob("*.md") if _BY_HELPERS not in path.name]
        with suppress(OSError):
            newest = max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
            if newest is not None:
                return cap(clean(newest.read_text(errors="replace")))[0]
        return None
