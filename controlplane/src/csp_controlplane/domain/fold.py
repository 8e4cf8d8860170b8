"""What a session's state is after its log.

A fold is kept in the session's row beside the log, under a version: whoever writes an event that
changes it computes the next fold from the one it read and writes both in one transaction, so that
the fold is always the fold of the log. It holds ids and settings, never contents.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from csp_controlplane.domain.transitions import Trigger, next_state
from csp_controlplane.domain.vocabulary import State


@dataclass(frozen=True, slots=True)
class Queued:
    """A message that is accepted and not started."""

    id: str
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A tool use that waits for a person."""

    id: str
    name: str
    rule: str


@dataclass(frozen=True, slots=True)
class Turn:
    """The running turn."""

    id: str
    message_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fold:
    """The state of a session. Changed only by the decisions of this package."""

    state: State = "creating"
    queue: tuple[Queued, ...] = ()
    turn: Turn | None = None
    questions: tuple[Question, ...] = ()
    model: str | None = None
    permission_mode: str = "default"
    allowed_rules: tuple[str, ...] = ()
    titled: bool = False
    suspended: bool = False
    """Its owner keeps it from running, whatever is sent to it."""

    @property
    def needs_worker(self) -> bool:
        """Whether some gateway has to look after this session now."""
        if self.suspended:
            return False
        if self.state in ("creating", "error"):
            return True
        return self.state != "completed" and bool(self.queue or self.turn)

    @property
    def at_rest(self) -> bool:
        """Whether it is over, or put away with nothing to do: no worker is to be bound to it."""
        return self.state == "completed" or (self.state == "paused" and not self.needs_worker)

    @property
    def waits_for_person(self) -> bool:
        return bool(self.questions)

    def after(self, trigger: Trigger, **changes: Any) -> Self:
        """The fold with the trigger's next state and further changes."""
        return replace(self, state=next_state(self.state, trigger), **changes)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        turn = raw.get("turn")
        return cls(
            state=raw.get("state", "creating"),
            queue=tuple(Queued(**q) for q in raw.get("queue", ())),
            turn=Turn(turn["id"], tuple(turn["message_ids"])) if turn else None,
            questions=tuple(Question(**q) for q in raw.get("questions", ())),
            model=raw.get("model"),
            permission_mode=raw.get("permission_mode", "default"),
            allowed_rules=tuple(raw.get("allowed_rules", ())),
            titled=raw.get("titled", False),
            suspended=raw.get("suspended", False),
        )
