"""What the node tells the person who started it."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Progress goes to standard error: standard output belongs to the command that follows. It is
    shown at once within a test as well, where making a node takes minutes."""
    print(f"e2e: {text}", file=sys.__stderr__, flush=True)
