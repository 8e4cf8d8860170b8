"""Requests that the CLI makes for itself: titles, probes, summaries, structured texts."""

from __future__ import annotations

import re

import orjson

from csp_controlplane.scripted_model.answers import Answer, Message, Text, say
from csp_controlplane.scripted_model.instances import instance
from csp_controlplane.scripted_model.turns import Turn

_SESSION = re.compile(r"<session>(.*?)</session>", re.DOTALL)
_SCRIPTED = re.compile(r"SCRIPT(?:64)?:.*?:END", re.DOTALL)
_FILLER = re.compile(
    r"(an?|and|are|at|be|can|could|do|for|from|have|hello|help|hey|hi|how|i|in|is|its?|lets?|me|my"
    r"|now|of|on|one|or|please|show|so|some|tell|that|the|them|there|this|to|us|want|we|what|with"
    r"|would|you|your)",
    re.IGNORECASE,
)
_MOST_WORDS = 5
_SUMMARY = "detailed summary of the conversation"


def auxiliary(turn: Turn) -> Answer | None:
    """The answer to a request of this kind; None for a person's."""
    if _is_title(turn):
        title = title_of(_asked(turn))
        text = orjson.dumps({"title": title}).decode() if turn.schema is not None else title
        return Message((Text((text,)),))
    if _SUMMARY in turn.prompt:
        return say("<summary>We talked to a scripted model and tried its tools.</summary>")
    if turn.schema is not None:
        return Message((Text((orjson.dumps(instance(turn.schema)).decode(),)),))
    return None


def title_of(text: str) -> str:
    """A short noun phrase in sentence case, made of the words that carry meaning."""
    text = _SCRIPTED.sub(" ", text)
    words = re.findall(r"[\w./+#-]*\w", text)
    kept = [word for word in words if not _FILLER.fullmatch(word)][:_MOST_WORDS]
    title = " ".join(kept or words[:_MOST_WORDS])[:60].strip()
    return title[:1].upper() + title[1:] if title else "First conversation"


def _is_title(turn: Turn) -> bool:
    if turn.tools:
        return False
    if turn.schema is not None:
        properties = turn.schema.get("properties")
        return isinstance(properties, dict) and set(properties) == {"title"}
    return "title" in turn.system and bool(_SESSION.search(turn.prompt))


def _asked(turn: Turn) -> str:
    found = _SESSION.search(turn.prompt)
    return found[1] if found else turn.prompt
