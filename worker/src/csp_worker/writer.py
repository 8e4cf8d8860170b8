"""Who may commit: one attached gateway at a time has the role of writer.

Decisions only, over plain values and an injected clock; the outbox acts on them. The role goes to
the first gateway that can write. It moves when the writer's stream ends, and when it leaves facts
unacknowledged for too long while somebody else could do the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

SILENCE_SECONDS = 5.0


class Candidate(Protocol):
    """What the election needs to know of an attachment."""

    @property
    def can_write(self) -> bool: ...

    @property
    def closed(self) -> bool: ...


C = TypeVar("C", bound=Candidate)


@dataclass
class Election(Generic[C]):
    """The writer and the moment since which it owes an acknowledgement."""

    clock: Callable[[], float]
    silence_seconds: float = SILENCE_SECONDS
    writer: C | None = None
    _owing_since: float | None = field(default=None)

    def choose(self, attached: Sequence[C]) -> C | None:
        """Who should be the writer now; the caller compares it with `writer` and calls `grant`."""
        able = [one for one in attached if one.can_write and not one.closed]
        if self.writer not in able:
            return able[0] if able else None
        if not self._silent() or len(able) == 1:
            return self.writer
        return able[(able.index(self.writer) + 1) % len(able)]

    def grant(self, writer: C | None) -> None:
        """The role has moved."""
        self.writer = writer
        self._owing_since = None

    def sent(self) -> None:
        """The writer has been given facts."""
        if self._owing_since is None:
            self._owing_since = self.clock()

    def acknowledged(self, everything: bool) -> None:
        """The writer committed something; `everything`: it owes nothing more."""
        self._owing_since = None if everything else self.clock()

    def _silent(self) -> bool:
        since = self._owing_since
        return since is not None and self.clock() - since >= self.silence_seconds
