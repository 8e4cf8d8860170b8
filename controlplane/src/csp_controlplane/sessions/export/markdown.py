"""A conversation as Markdown: answers as they were written, everything else fenced.

What a tool printed may itself contain fences, so each fence is longer than any inside it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from csp_controlplane.domain.reading import (
    Answered,
    Entry,
    Noted,
    Said,
    Step,
    Thought,
    TurnEnded,
    text_of,
)

_TICKS = re.compile(r"`{3,}")


def head(title: str, facts: Sequence[tuple[str, str]]) -> str:
    """The first lines: title, and facts as a list."""
    lines = [f"# {_line(title)}", ""]
    lines += [f"- {name}: {_line(value)}" for name, value in facts]
    return "\n".join(lines) + "\n"


def entry(item: Entry) -> str:
    """One entry, with the empty line before it."""
    match item:
        case Said():
            return _said(item)
        case Answered():
            return f"\n{item.text}\n" + ("\n*Cut off here.*\n" if item.partial else "")
        case Thought():
            return "\n" + "".join(f"> {line}\n" for line in item.text.splitlines())
        case Step():
            return _step(item)
        case Noted():
            return f"\n*{_line(item.text)}*\n"
        case TurnEnded():
            cut = "" if item.outcome == "completed" else f"\n*This answer was {_words(item)}.*\n"
            return f"{cut}\n---\n"


def _said(item: Said) -> str:
    when = f" ({item.at})" if item.at else ""
    waits = "" if item.answered else "\n*Not answered yet.*\n"
    files = "".join(f"\n*Attached: {_line(name)}*\n" for name in attachments(item.content))
    text = text_of(item.content)
    return f"\n## You{when}\n\n{text}\n{files}{waits}\n## Agent\n"


def attachments(content: Sequence[dict[str, Any]]) -> list[str]:
    """How the blocks that are not text are called."""
    names = {"image": "an image", "document": "a document"}
    return [
        str(block.get("title") or names.get(str(block.get("type")), "a file"))
        for block in content
        if block.get("type") != "text"
    ]


def _step(item: Step) -> str:
    given = orjson.dumps(item.input, option=orjson.OPT_INDENT_2).decode()
    parts = [f"\n**{_line(item.name)}**\n\n{fenced(given, 'json')}"]
    if item.result is None:
        parts.append("*No result.*\n")
    else:
        parts.append(fenced(text_of(item.result) or "(no output)", ""))
    if item.failed:
        parts.append("*Failed.*\n")
    return "".join(parts)


def fenced(text: str, language: str) -> str:
    """A code block that nothing in the text can end."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"


def _words(item: TurnEnded) -> str:
    return "interrupted" if item.outcome == "interrupted" else "ended by an error"


def _line(text: str) -> str:
    return " ".join(text.split())
