"""Numbers that a person may give as a share."""

from __future__ import annotations

import math


def resolve(value: int | str, of: int) -> int:
    """A number, or a share of `of` rounded up; at least 1."""
    if isinstance(value, str):
        value = math.ceil(int(value.removesuffix("%")) * of / 100)
    return max(1, value)
