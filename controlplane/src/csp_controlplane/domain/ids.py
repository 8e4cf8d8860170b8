"""Identifiers: a prefix that names the kind and a ULID, so that they sort by time of creation."""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(prefix: str) -> str:
    """`<prefix>_` and 26 characters of Crockford base 32: 48 bits of milliseconds, 80 random.

    Prefixes in use: sesn, sevt, agent, env, user, key, file, mreq, sthr, wrkr, ckpt, obj.
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    digits = []
    for _ in range(26):
        digits.append(_ALPHABET[value & 31])
        value >>= 5
    return f"{prefix}_{''.join(reversed(digits))}"
