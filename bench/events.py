"""The events that are played: 185 bytes each, with the moment of their birth inside.

The mark `@` occurs once in an event and nowhere else in what a gateway adds, so counting it counts
events however they are framed or cut into packets. The digits behind it are the monotonic clock of
the machine, which all processes share.
"""

from __future__ import annotations

import re

SIZE = 185
CREDIT = 256
"""Events for which a bare client answers with one byte."""

MARK = b"@"
STAMP = re.compile(rb"@(\d{19})")
_DIGITS = 19


UNBORN = b"@%019d" % 0


def event_id(session: str, number: int) -> str:
    """An event id of the right shape: `sevt_` and 26 characters, new for each number."""
    return f"sevt_{session[-16:]}{number:010d}"


def stamped(data: bytes, now_ns: int) -> bytes:
    """Bytes that hold events, made beforehand, as events that are born now."""
    return data.replace(UNBORN, b"@%019d" % now_ns)


def delta(id_: str, offset: int) -> tuple[bytes, int]:
    """A preview's delta as the worker serialises it, and the bytes of text in it."""
    head = (
        f'{{"type":"event_delta","event_id":"{id_}","offset":{offset},"delta":{{"type":'
        f'"content_delta","index":0,"content":{{"type":"text","text":"{UNBORN.decode()}'
    )
    return _padded(head, '"}}}')


def start(id_: str) -> bytes:
    """The beginning of a preview."""
    return f'{{"type":"event_start","event":{{"id":"{id_}","type":"agent.message"}}}}'.encode()


def fact(id_: str) -> bytes:
    """A whole agent.message."""
    head = (
        f'{{"id":"{id_}","type":"agent.message","processed_at":"2030-01-01T00:00:00.000+00:00",'
        f'"content":[{{"type":"text","text":"{UNBORN.decode()}'
    )
    return _padded(head, '"}]}')[0]


def stamps(data: bytes) -> list[int]:
    """The birth moments of the events in these bytes, in nanoseconds."""
    return [int(digits) for digits in STAMP.findall(data)]


def _padded(head: str, tail: str) -> tuple[bytes, int]:
    padding = SIZE - len(head) - len(tail)
    if padding < 0:
        raise ValueError(f"an event of {len(head) + len(tail)} bytes does not fit {SIZE}")
    return f"{head}{'x' * padding}{tail}".encode(), 1 + _DIGITS + padding
