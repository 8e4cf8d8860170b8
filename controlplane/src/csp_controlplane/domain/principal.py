"""Who makes a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in person or program, within one tenant."""

    tenant: str
    user_id: str
    role: Literal["member", "admin"] = "member"
    name: str = ""
    email: str = ""
