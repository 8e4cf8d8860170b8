"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report. `advice` says what to do; empty when all is well."""

    name: str
    level: Level
    message: str
    advice: str = ""


def ok(name: str, message: str) -> Finding:
    return Finding(name, "ok", message)


def warn(name: str, message: str, advice: str) -> Finding:
    return Finding(name, "warn", message, advice)


def fail(name: str, message: str, advice: str) -> Finding:
    return Finding(name, "fail", message, advice)
