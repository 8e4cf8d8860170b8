"""A conversation as one HTML file that needs nothing else and runs nothing.

Whatever people, agents and tools wrote is text here: it is escaped, Markdown's own HTML is off,
links lead to web and mail addresses only, pictures are shown only when they are in the file. A
policy in the file forbids scripts and every request, should anything have been missed.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

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
from csp_controlplane.sessions.export.markdown import attachments
from csp_controlplane.sessions.export.style import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
Pictures = Mapping[str, tuple[str, bytes]]
"""Media type and bytes of uploaded files by their id."""


class _Safe(RendererHTML):
    """A picture of somewhere else is a link to it: nothing is fetched when the file is opened."""

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        address = html.escape(str(token.attrs.get("src", "")))
        words = html.escape(token.content or "image")
        return f'<a href="{address}" rel="noopener noreferrer nofollow">{words}</a>'


_MARKDOWN = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Safe).enable(
    ["table", "strikethrough"]
)


def head(title: str, facts: Sequence[tuple[str, str]]) -> str:
    """Everything before the first entry."""
    rows = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in facts
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main><header><h1>{html.escape(title)}</h1><dl>{rows}</dl></header>\n"
    )


FOOT = "</main></body></html>\n"


def entry(item: Entry, pictures: Pictures) -> str:
    """One entry as an element."""
    match item:
        case Said():
            return _said(item, pictures)
        case Answered():
            cut = '<p class="note">Cut off here.</p>' if item.partial else ""
            return f'<section class="answer">{_MARKDOWN.render(item.text)}{cut}</section>\n'
        case Thought():
            return _folded("Thoughts", f"<p class=thoughts>{html.escape(item.text)}</p>", "quiet")
        case Step():
            return _step(item)
        case Noted():
            level, text = html.escape(item.level), html.escape(item.text)
            return f'<p class="note" data-level="{level}">{text}</p>\n'
        case TurnEnded():
            return _turn_end(item)


def _said(item: Said, pictures: Pictures) -> str:
    when = (
        f'<time datetime="{html.escape(item.at)}">{html.escape(_short(item.at))}</time>'
        if item.at
        else ""
    )
    waits = "" if item.answered else '<p class="note">Not answered yet.</p>'
    text = html.escape(text_of(item.content))
    shown = "".join(_picture(block, pictures) for block in item.content)
    names = "".join(f"<li>{html.escape(name)}</li>" for name in attachments(item.content))
    files = f"<ul class=files>{names}</ul>" if names and not shown else ""
    return (
        f'<section class="said"><h2>You {when}</h2><p class="words">{text}</p>'
        f"{shown}{files}{waits}</section>\n"
    )


def _picture(block: Mapping[str, Any], pictures: Pictures) -> str:
    source = block.get("source") or {}
    if block.get("type") != "image":
        return ""
    if source.get("type") == "file" and source.get("file_id") in pictures:
        media_type, data = pictures[source["file_id"]]
        return _img(media_type, base64.b64encode(data).decode())
    if source.get("type") == "base64":
        return _img(str(source.get("media_type")), str(source.get("data")))
    return ""


def _img(media_type: str, data: str) -> str:
    if media_type not in IMAGES:
        return ""
    return f'<img alt="Attached image" src="data:{media_type};base64,{html.escape(data)}">'


def _step(item: Step) -> str:
    given = orjson.dumps(item.input, option=orjson.OPT_INDENT_2).decode()
    result = "No result." if item.result is None else text_of(item.result) or "No output."
    body = (
        f"<h3>Input</h3><pre>{html.escape(given)}</pre>"
        f"<h3>Output</h3><pre>{html.escape(result)}</pre>"
    )
    state = "failed" if item.failed else "done"
    return _folded(item.name, body, state, _gist(item.input))


def _gist(given: Mapping[str, Any]) -> str:
    """What a step is about, in one line: the first thing that it was given."""
    first = next((value for value in given.values() if isinstance(value, str)), "")
    return " ".join(first.split())[:120]


def _folded(name: str, body: str, state: str, gist: str = "") -> str:
    about = f" <code>{html.escape(gist)}</code>" if gist else ""
    return (
        f'<details data-state="{state}"><summary>{html.escape(name)}{about}</summary>'
        f"{body}</details>\n"
    )


def _turn_end(item: TurnEnded) -> str:
    took = f"Took {item.duration_ms / 1000:.1f} s" if item.duration_ms else ""
    words = {"interrupted": "Interrupted", "error": "Ended by an error"}.get(item.outcome, "")
    return f'<p class="end">{" · ".join(part for part in (words, took) if part)}</p>\n'


def _short(at: str) -> str:
    return at[:16].replace("T", " ") + " UTC"
