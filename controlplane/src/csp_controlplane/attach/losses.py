"""What a session's next worker could not be given of what its last one had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Loss:
    """As a notice of the log."""

    code: str
    message: str
    data: dict[str, Any] | None = None
    level: Literal["info", "warning"] = "warning"
