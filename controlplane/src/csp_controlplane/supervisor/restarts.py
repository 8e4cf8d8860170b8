"""When to start a part again that has ended, and how long a start may take: pure decisions."""

from __future__ import annotations

from dataclasses import dataclass, replace

STEADY_S = 10.0
"""A part that ran this long had recovered: what happened before no longer counts."""

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 30.0
LOOP_AFTER = 3
"""Ends without a steady run between them that make a crash loop, of which people are told."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often a part has ended without a steady run between."""

    failures: int = 0

    def after_end(self, ran_s: float) -> Restarts:
        """`ran_s`: how long it had run this time."""
        return Restarts(1) if ran_s >= STEADY_S else replace(self, failures=self.failures + 1)

    @property
    def delay_s(self) -> float:
        """Before the next start: doubles, and is bounded."""
        if self.failures == 0:
            return 0.0
        return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self.failures - 1, 20)))

    @property
    def is_loop(self) -> bool:
        return self.failures >= LOOP_AFTER


def counted(waited_s: float, starting: int, processors: int) -> float:
    """How much of a wait for one start counts, while so many start at the same time.

    All sessions want their workers back after a power cut. If each had the time of a single start,
    a small machine would end all of them unfinished, and begin again with all of them.
    """
    return waited_s * min(1.0, processors / max(1, starting))
