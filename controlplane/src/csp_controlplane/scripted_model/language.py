"""The precise language of tests: `SCRIPT:[step, ...]:END` in a prompt.

The n-th request after that prompt is answered by step n, counted from 0; past the end the answer is
the text "done". `SCRIPT64:<base64 of the JSON list>:END` is the same and can be part of another
script, for example in the prompt of a subagent. Every key but `t` is optional:

    {"t": "text", "text": "hi", "n": 1, "chunk_delay": 0, "delay": 0, "usage": {}, "stop": "..."}
    {"t": "think", "thinking": "...", "text": "..."}
    {"t": "tool", "tools": [{"name": "Bash", "input": {}}], "text": ""}
    {"t": "err", "status": 429, "etype": "...", "msg": "...", "headers": {}, "times": 2, "then": {}}
    {"t": "cut", "n": 3, "times": 1, "then": {}}          the connection closes after n chunks
    {"t": "stall", "n": 3, "secs": 60}                    n chunks, then silence
    {"t": "hang", "secs": 60}                             nothing at all
    {"t": "malformed"}                                    a broken JSON line in the stream
    {"t": "sse_error", "etype": "overloaded_error", "n": 2}

`n` repeats the text as so many pieces; `times` makes a fault happen so often and then gives `then`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import orjson

from csp_controlplane.scripted_model.answers import (
    Answer,
    Block,
    Ending,
    Failure,
    Hang,
    Message,
    Text,
    Thinking,
    ToolCall,
    say,
    words,
)
from csp_controlplane.scripted_model.occurrences import Occurrences

_SCRIPT = re.compile(r"SCRIPT:(\[.*?\]):END|SCRIPT64:([A-Za-z0-9+/=]+):END", re.DOTALL)
_MAX_PIECES = 100_000
_MAX_SECONDS = 3600.0
_MAX_NESTING = 8

Step = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Script:
    """The steps that a prompt asks for."""

    source: str
    steps: tuple[Step, ...]


def find_script(prompt: str) -> Script | None:
    """The last script in the text; a bad one answers with what is wrong about it."""
    found = list(_SCRIPT.finditer(prompt))
    if not found:
        return None
    plain, coded = found[-1].groups()
    try:
        source = plain or base64.b64decode(coded, validate=True).decode()
        steps = orjson.loads(source)
    except (binascii.Error, UnicodeDecodeError, orjson.JSONDecodeError) as error:
        return Script("", ({"t": "text", "text": f"This script is not readable: {error}"},))
    if not all(isinstance(step, Mapping) for step in steps):
        return Script("", ({"t": "text", "text": "Each step of a script is an object."},))
    return Script(source, tuple(steps))


def play(script: Script, number: int, key: str, happened: Occurrences) -> Answer:
    """The answer of step `number`. `key` names this prompt of this session, for `times`."""
    if number >= len(script.steps):
        return say("done")
    return _play(script.steps[number], f"{key}|{script.source}|{number}", happened, _MAX_NESTING)


def _play(step: Step, key: str, happened: Occurrences, nesting: int) -> Answer:
    kind = step.get("t", "text")
    times = step.get("times")
    if isinstance(times, int) and happened.count(key) > times:
        then = step.get("then")
        if isinstance(then, Mapping) and nesting:
            return _play(then, key + "+", happened, nesting - 1)
        return say("recovered")
    if kind == "err":
        return Failure(
            status=_whole(step, "status", 500),
            message=str(step.get("msg", f"Scripted error {step.get('status', 500)}.")),
            type=step.get("etype"),
            headers=_headers(step),
            before_s=_seconds(step, "delay", 0),
        )
    if kind == "hang":
        return Hang(_seconds(step, "secs", 60))
    return _message(str(kind), step)


def _message(kind: str, step: Step) -> Message:
    usage = step.get("usage")
    return Message(
        blocks=tuple(_blocks(kind, step)),
        stop_reason=step.get("stop"),
        before_s=_seconds(step, "delay", 0),
        word_s=_seconds(step, "chunk_delay", 0),
        usage={k: v for k, v in usage.items() if isinstance(v, int)} if usage else {},
        headers=_headers(step),
        ending=_ending(kind),
        ending_s=_seconds(step, "secs", 60),
        error_type=str(step.get("etype", "overloaded_error")),
    )


def _blocks(kind: str, step: Step) -> list[Block]:
    blocks: list[Block] = []
    text = step.get("text")
    if kind == "think":
        blocks.append(Thinking(words(str(step.get("thinking", "Let me think.")))))
        text = "after thinking" if text is None else text
    if text is None and kind != "tool":
        text = "chunk "
    if text:
        count = min(max(_whole(step, "n", 1), 0), _MAX_PIECES)
        blocks.append(Text((str(text),) * count))
    for tool in step.get("tools", []):
        blocks.append(ToolCall(str(tool.get("name")), tool.get("input", {})))
    return blocks


def _ending(kind: str) -> Ending:
    for ending in get_args(Ending):
        if kind == ending:
            return ending  # type: ignore[no-any-return]
    return "complete"


def _headers(step: Step) -> dict[str, str]:
    headers = step.get("headers")
    return {str(k): str(v) for k, v in headers.items()} if isinstance(headers, Mapping) else {}


def _whole(step: Step, key: str, otherwise: int) -> int:
    value = step.get(key, otherwise)
    return value if isinstance(value, int) else otherwise


def _seconds(step: Step, key: str, otherwise: float) -> float:
    value = step.get(key, otherwise)
    return min(float(value), _MAX_SECONDS) if isinstance(value, int | float) else otherwise
