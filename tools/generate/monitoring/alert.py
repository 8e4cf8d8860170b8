"""What an alert is made of. The value and the condition are apart, so that a test can ask whether
the value exists on a healthy installation, where the condition holds for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: `value` `condition` for so long."""

    name: str
    value: str
    """PromQL, grouped by namespace."""
    condition: str
    """As in `> 0.05`."""
    lasting: str
    severity: Literal["critical", "warning", "info"]
    """Critical wakes somebody: people cannot work. Warning is for the day."""
    summary: str
    action: str
    """What to look at and do, for whoever is on call."""

    @property
    def expression(self) -> str:
        return f"({self.value}) {self.condition}"


def ratio(part: str, whole: str, window: str = "5m") -> str:
    """Share of a counter's increase."""
    failed, all_of_them = (f"sum by (namespace) (rate({it}[{window}]))" for it in (part, whole))
    return f"{failed} / {all_of_them}"


def quantile(share: float, histogram: str, window: str = "10m") -> str:
    return (
        f"histogram_quantile({share}, sum by (namespace, le) (rate({histogram}_bucket[{window}])))"
    )


def running(job: str) -> str:
    """Pods of a component that Prometheus reaches; 0 when it knows of none."""
    return f'sum(up{{job="{job}"}}) or vector(0)'
