"""Pieces of the generated reference pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def page(title: str, source: str, parts: Iterable[str]) -> str:
    """A whole page that says where it comes from."""
    note = f"<!-- Made by `make generate` from {source}. Changes belong there. -->"
    return "\n\n".join([f"# {title}", note, *parts]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
