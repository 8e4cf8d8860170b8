"""What a person at the terminal sees: a few lines of progress, then one link.

With a terminal, a step shows a spinner while it runs; without one, plain lines, one per event.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Terminal:
    """Writes to standard output."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True, markup=False)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Shows what is being done, and how long it took once it is done."""
        started = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(f"{text} …"):
                yield
        else:
            self._console.print(f"{text} …")
            yield
        if self._console.is_terminal:
            took = time.monotonic() - started
            self._console.print(f"[green]✓[/green] {text} [dim]{took:.1f} s[/dim]", markup=True)

    def say(self, text: str) -> None:
        self._console.print(text)

    def ready(self, link: str, *, scripted: bool, logs: str) -> None:
        """The end of the start: the one line that matters stands alone."""
        self._console.print()
        self._console.print("csp is ready. Open this link; it signs you in, once:")
        self._console.print()
        self._console.print(f"  {link}", style="bold" if self._console.is_terminal else None)
        self._console.print()
        if scripted:
            self._console.print(
                "Answers are scripted, because ANTHROPIC_API_KEY is not set. Set it for a real "
                "model."
            )
        self._console.print(f"Another link: csp login. Logs: {logs}. Stop with Ctrl-C.")
