"""Identifiers of events and threads: a prefix and a ULID, in the form that the control plane uses.

The worker makes its own because a preview needs the id of a fact that does not exist yet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

NewId = Callable[[str], str]
"""From a prefix such as "sevt" to a fresh identifier."""


def new_id(prefix: str) -> str:
    """`<prefix>_` and 26 characters of Crockford base 32: 48 bits of milliseconds, 80 random."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    digits = [_ALPHABET[value >> shift & 31] for shift in range(125, -5, -5)]
    return f"{prefix}_{''.join(digits)}"
