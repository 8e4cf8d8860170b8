"""One session of a chaos run, and what its owner knows of it: said, answered, seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.chaos.listener import Listener
from support.shown import Event
from support.viewer import Viewer


@dataclass
class Person:
    """`learn` brings what is derived from the facts up to date."""

    session: str
    sockets: list[Viewer] = field(default_factory=list)
    streams: list[Listener] = field(default_factory=list)
    sent: dict[str, Event] = field(default_factory=dict)
    """By client id, as the next two."""
    accepted: dict[str, Event] = field(default_factory=dict)
    """What was answered 2xx, or acknowledged."""
    refused: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    reconnections: int = 0
    questions: list[str] = field(default_factory=list)
    """Tool uses that ask and that nobody here has answered."""
    _done: set[str] = field(default_factory=set)
    _read: int = 0

    @property
    def watchers(self) -> list[Viewer | Listener]:
        """All clients of this session."""
        return [*self.sockets, *self.streams]

    @property
    def connected(self) -> list[Viewer]:
        """Sockets that can be spoken into."""
        return [viewer for viewer in self.sockets if viewer.closed is None and viewer.hello]

    @property
    def writing(self) -> bool:
        """Whether somebody who is connected sees text that is still being written."""
        return any(len(text) > 10 for viewer in self.connected for text in viewer.open.values())

    def unfinished(self) -> int:
        """Messages that were accepted, and nobody here has seen what became of them."""
        self.learn()
        messages = [e["id"] for e in self.accepted.values() if e["type"] == "user.message"]
        return sum(message not in self._done for message in messages)

    def learn(self) -> None:
        """Reads on where somebody has seen more than before."""
        facts = max(self.watchers, key=lambda watcher: watcher.seq).facts
        for event in facts[self._read :]:
            match event["type"]:
                case "span.turn_end":
                    self._done.update(event["message_ids"])
                case "user.message_cancel":
                    self._done.add(event["message_id"])
                case "agent.tool_use" if event.get("evaluated_permission") == "ask":
                    self.questions.append(event["id"])
        self._read = max(self._read, len(facts))
