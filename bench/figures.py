"""A measured number with its bound: how it is judged, printed and stored.

The line is the product of this folder, `name value bound PASS|MISS`, so that people, CI and a
spreadsheet read the same thing. What a number was made of goes into `detail`, which the JSON file
and the reason of a miss show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["PASS", "MISS", "REPORT"]


@dataclass(frozen=True, slots=True)
class Figure:
    """`bound` is the largest value that passes, or the smallest where more is better; None: the
    number is only reported."""

    name: str
    value: float
    bound: float | None = None
    detail: Mapping[str, float | str] = field(default_factory=dict)
    more_is_better: bool = False

    @property
    def verdict(self) -> Verdict:
        if self.bound is None:
            return "REPORT"
        # Not `value > bound`: a figure that is not a number must never pass.
        passes = self.value >= self.bound if self.more_is_better else self.value <= self.bound
        return "PASS" if passes else "MISS"

    def line(self) -> str:
        """`name value bound PASS|MISS`; `name value - REPORT` without a bound."""
        sign = ">=" if self.more_is_better else "<="
        bound = "-" if self.bound is None else f"{sign}{self.bound:g}"
        return f"{self.name} {number(self.value)} {bound} {self.verdict}"

    def reason(self) -> str:
        """What the value was made of, in one line."""
        parts = [
            f"{key} {value if isinstance(value, str) else number(value)}"
            for key, value in self.detail.items()
        ]
        return f"{self.name}: {', '.join(parts)}" if parts else f"{self.name}: no detail"

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": self.value,
            "bound": self.bound,
            "verdict": self.verdict,
            "detail": dict(self.detail),
        }


def number(value: float) -> str:
    """Three significant digits below a thousand, whole numbers above."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
