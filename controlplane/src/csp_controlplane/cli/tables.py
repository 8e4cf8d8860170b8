"""Tables of commands: whole where they are piped, and with ids whole also in a narrow terminal."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Column, Table

_UNBOUNDED = 10_000


def table(identity: str, *columns: str) -> Table:
    """The first column is what other commands are given: it is never cut."""
    return Table(Column(identity, no_wrap=True), *columns, box=None, pad_edge=False)


def show(made: Table) -> None:
    """On standard output."""
    width = None if sys.stdout.isatty() else _UNBOUNDED
    Console(highlight=False, markup=False, width=width).print(made)
