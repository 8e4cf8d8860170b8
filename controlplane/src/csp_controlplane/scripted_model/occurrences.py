"""How often something has happened, for faults that happen a number of times and then stop."""

from __future__ import annotations

from collections import OrderedDict

_MOST = 10_000


class Occurrences:
    """Counters by key; the ones used longest ago are forgotten first."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def count(self, key: str) -> int:
        """Counts one more and returns how many there are."""
        self._counts[key] = self._counts.pop(key, 0) + 1
        if len(self._counts) > _MOST:
            self._counts.popitem(last=False)
        return self._counts[key]

    def clear(self) -> None:
        self._counts.clear()
