"""The arithmetic of the figures: medians of interleaved pairs, percentiles, slopes.

A shared machine drifts by tens of percent within a minute, so a ratio is taken within each pair of
neighbouring windows and the median of those ratios is the figure. Whatever slows both sides of a
pair cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Pair:
    """One window or sample of the baseline and its neighbour of the subject, in one unit."""

    baseline: float
    subject: float

    @property
    def ratio(self) -> float:
        """Raises ValueError for a baseline that measured nothing."""
        if not self.baseline > 0:
            raise ValueError(f"the baseline measured {self.baseline}: nothing to compare with")
        return self.subject / self.baseline


def median_ratio(pairs: Sequence[Pair]) -> float:
    """The median of the pairs' own ratios. Raises ValueError without pairs."""
    return median([pair.ratio for pair in pairs])


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed: nearest rank, no blending."""
    if not values:
        raise ValueError("no values to take a percentile of")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def per_event(total: float, fixed: float, count: int) -> float:
    """Cost of one event when `fixed` is what the same work costs without any."""
    if count <= 0:
        raise ValueError("a cost per event needs events")
    return max(0.0, total - fixed) / count
