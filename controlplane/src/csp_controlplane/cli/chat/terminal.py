"""The terminal of a conversation: answers on standard output, everything else on standard error.

So `csp chat "..." > answer.txt` keeps the answer and still shows what happens.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from rich.console import Console

from csp_controlplane.cli.chat.transcript import Piece

_STYLES = {"tool": "cyan", "result": "dim", "problem": "red", "note": "yellow", "todos": "blue"}


class Screen:
    """Writes pieces; knows whether running text is open."""

    def __init__(self, *, json_lines: bool) -> None:
        self._json = json_lines
        self._out = Console(highlight=False, markup=False, soft_wrap=True, emoji=False)
        self._err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True, emoji=False)
        self._open: str | None = None

    def event(self, event: dict[str, Any]) -> None:
        """With --json: the fact as one line."""
        if self._json:
            sys.stdout.write(orjson.dumps(event).decode() + "\n")
            sys.stdout.flush()

    def show(self, piece: Piece) -> None:
        if self._json:
            return
        match piece.kind:
            case "answer" | "thinking":
                self._running_text(piece)
            case "answer_end":
                self._close()
            case "data":
                self._close()
                self._out.print(piece.text)
            case kind:
                self._close()
                mark = "● " if kind == "tool" else ""
                self._err.print(f"{mark}{piece.text}", style=_STYLES[kind])

    def say(self, text: str) -> None:
        """A line of this command's own."""
        self._close()
        self._err.print(text, style="dim")

    def ask(self, text: str) -> None:
        """A prompt; the cursor stays behind it."""
        self._close()
        self._err.print(text, end="", style="bold")

    def _running_text(self, piece: Piece) -> None:
        thinking = piece.kind == "thinking"
        if self._open not in (None, piece.kind):
            self._close()
        if thinking and not self._err.is_terminal:
            return
        console = self._err if thinking else self._out
        console.print(piece.text, end="", style="dim italic" if thinking else None)
        console.file.flush()
        if piece.text:
            self._open = piece.kind

    def _close(self) -> None:
        if self._open is not None:
            (self._err if self._open == "thinking" else self._out).print()
            self._open = None


class Keyboard:
    """Lines that a person types, read without a thread so that a prompt can be taken back."""

    def __init__(self) -> None:
        self.interactive = sys.stdin.isatty()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._rest = b""

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Listens while inside. A terminal hands over whole lines."""
        if not self.interactive:
            yield
            return
        loop = asyncio.get_running_loop()
        descriptor = sys.stdin.fileno()
        loop.add_reader(descriptor, self._readable, descriptor)
        try:
            yield
        finally:
            loop.remove_reader(descriptor)

    async def line(self) -> str | None:
        """The next line; None at the end of input (Ctrl-D)."""
        return await self._lines.get()

    def forget(self) -> None:
        """What was typed before a prompt is no answer to it."""
        while not self._lines.empty():
            self._lines.get_nowait()

    def _readable(self, descriptor: int) -> None:
        data = os.read(descriptor, 65536)
        if not data:
            self._lines.put_nowait(None)
            asyncio.get_running_loop().remove_reader(descriptor)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._lines.put_nowait(line.decode(errors="replace"))
