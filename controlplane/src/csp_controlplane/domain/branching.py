"""Where a log is cut so that another session can begin with its first part: pure, over its marks.

A branch begins with whole turns. A message that was sent while nothing ran is cut off right before
it. One that waited behind a running turn lies in the middle of that turn's events: there the branch
ends just before the message's own turn, and says of every message that waits in it that it was
taken back. The events before a cut are the same in both sessions, seq for seq.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from csp_controlplane.errors import Conflict, InvalidRequest

MARK_TYPES: Final = ("user.message", "user.message_cancel", "span.turn_start", "span.turn_end")


class Mark(NamedTuple):
    """An event that opens or closes something."""

    seq: int
    id: str
    type: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cut:
    """`events`: how many of the log's first events the branch holds. `waiting`: messages among
    them that no turn has started. `prompts`: the transcript's ids of prompts beyond the cut.
    `begun`: whether the branch holds a turn at all."""

    events: int
    waiting: tuple[str, ...]
    prompts: tuple[str, ...]
    begun: bool


@dataclass(slots=True)
class Course:
    """What is open after the marks so far."""

    turn: Mark | None = None
    waiting: list[str] = field(default_factory=list)
    waiting_before_turn: tuple[str, ...] = ()

    def take(self, mark: Mark) -> None:
        """Goes one mark on."""
        match mark.type:
            case "user.message":
                self.waiting.append(mark.id)
            case "user.message_cancel":
                self._drop([str(mark.body.get("message_id"))])
            case "span.turn_start":
                self.waiting_before_turn = tuple(self.waiting)
                self.turn = mark
                self._drop(mark.body.get("message_ids") or ())
            case _:
                self.turn = None

    def _drop(self, ids: Iterable[str]) -> None:
        gone = set(ids)
        self.waiting = [message for message in self.waiting if message not in gone]


def cut_before(marks: Sequence[Mark], message_id: str) -> Cut:
    """Everything before a message. Raises InvalidRequest, or Conflict when nothing came of it."""
    course = Course()
    reached = False
    for mark in marks:
        if mark.id == message_id and mark.type == "user.message":
            if course.turn is None and not course.waiting:
                return _cut(marks, mark.seq - 1, ())
            reached = True
        started = mark.body.get("message_ids") if mark.type == "span.turn_start" else None
        if reached and message_id in (started or ()):
            return _cut(marks, mark.seq - 1, course.waiting)
        course.take(mark)
    if reached:
        raise Conflict(
            "at: the agent has not begun with this message, so there is nothing to branch off. "
            "Edit the message or take it back, or branch off an earlier one."
        )
    raise InvalidRequest(
        f"at: {message_id[:64]!r} is no user.message of this session. Use the id of one."
    )


def cut_at_end(marks: Sequence[Mark], last_seq: int) -> Cut:
    """Everything up to the last turn that has ended."""
    course = Course()
    for mark in marks:
        course.take(mark)
    if course.turn is not None:
        return _cut(marks, course.turn.seq - 1, course.waiting_before_turn)
    return _cut(marks, last_seq, course.waiting)


def _cut(marks: Sequence[Mark], events: int, waiting: Iterable[str]) -> Cut:
    starts = [mark for mark in marks if mark.type == "span.turn_start"]
    beyond = [mark.body.get("prompt_uuid") for mark in starts if mark.seq > events]
    return Cut(
        events,
        tuple(waiting),
        tuple(str(prompt) for prompt in beyond if prompt),
        any(mark.seq <= events for mark in starts),
    )
