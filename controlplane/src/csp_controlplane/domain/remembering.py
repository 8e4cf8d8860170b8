"""Whether what a conversation's log has is in the agent's memory too: pure, over both.

The memory is the CLI's transcript as the log's store has it. It comes on another way than the log's
facts, through the SDK's mirror, and a worker that is killed takes along what the mirror still held.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import orjson

_UUIDS = re.compile(r'"uuid": ?"([^"]+)"')


class Told(NamedTuple):
    """What the log has of one turn. `prompt`: its uuid in the transcript, "" of a turn without a
    message. `texts`: of the agent itself, not of its helpers. `acted`: anything came of it."""

    prompt: str
    texts: int
    acted: bool


class Forgotten(NamedTuple):
    """How many messages and how many answers the memory lacks."""

    prompts: int
    texts: int

    def __bool__(self) -> bool:
        return self.prompts > 0 or self.texts > 0


def forgotten(turns: Sequence[Told], lines: Sequence[str]) -> Forgotten:
    """`lines`: of the main transcript, in order. A message of which nothing came may never have
    reached the CLI, and is not missed."""
    prompts = {turn.prompt for turn in turns if turn.prompt}
    if not prompts:
        return Forgotten(0, 0)
    # A long transcript is not taken apart for the few lines that are looked for.
    places = {
        uuid: place
        for place, line in enumerate(lines)
        if not prompts.isdisjoint(_UUIDS.findall(line)) and (uuid := _uuid(line)) in prompts
    }
    missing = sum(bool(turn.prompt) and turn.acted and turn.prompt not in places for turn in turns)
    known = [place for place, turn in enumerate(turns) if turn.prompt in places]
    if not known:
        return Forgotten(missing, 0)
    first = known[0]
    told = sum(turn.texts for turn in turns[first:] if not turn.prompt or turn.prompt in places)
    remembered = sum(map(_texts, lines[places[turns[first].prompt] :]))
    return Forgotten(missing, max(0, told - remembered))


def _uuid(line: str) -> str | None:
    found = _object(line).get("uuid")
    return found if isinstance(found, str) else None


def _texts(line: str) -> int:
    if '"assistant"' not in line:
        return 0
    entry = _object(line)
    message = entry.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if entry.get("type") != "assistant" or not isinstance(content, list):
        return 0
    return sum(isinstance(block, dict) and block.get("type") == "text" for block in content)


def _object(line: str) -> dict[str, object]:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return entry if isinstance(entry, dict) else {}
