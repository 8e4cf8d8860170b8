"""What was gathered about one session of a chaos run, and what was found in it.

Plain values: the checker compares them, and whoever gathers them knows nothing of promises.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from support.viewer import Event

HEADINGS = ("lost", "doubled", "reordered", "unmarked")


@dataclass(frozen=True, slots=True)
class Row:
    """One event as the database has it."""

    seq: int
    epoch: int | None
    n: int | None
    id: str
    type: str
    payload: str

    @property
    def body(self) -> Event:
        body: Event = json.loads(self.payload)
        return body


@dataclass(frozen=True)
class View:
    """What one client saw, over all of its connections."""

    facts: Sequence[Event]
    open: Mapping[str, bytes]
    problems: Sequence[str] = ()


@dataclass(frozen=True)
class Journal:
    """What one worker wrote down: digests by n, and the highest acknowledged n."""

    said: Mapping[int, str]
    acked: int

    @classmethod
    def read(cls, text: str) -> Journal:
        said: dict[int, str] = {}
        acked = 0
        for line in text.splitlines():
            match line.split():
                case ["said", n, digest]:
                    said[int(n)] = digest
                case ["acked", n]:
                    acked = max(acked, int(n))
        return cls(said, acked)


@dataclass(frozen=True)
class Epoch:
    """One binding: the log's seq when it began, and its worker's journal, if it wrote one."""

    number: int
    bound_seq: int
    journal: Journal | None


@dataclass(frozen=True)
class Case:
    """One session."""

    session: str
    log: Sequence[Row]
    epochs: Sequence[Epoch]
    views: Sequence[View]
    accepted: Mapping[str, Event]
    """By client id: the event of an answer 2xx, or of an acknowledgement."""
    sent: Mapping[str, Event] = field(default_factory=dict)
    """By client id: what was sent."""
    refused: Collection[str] = ()
    """Client ids of what was refused for good."""


@dataclass
class Findings:
    """Sentences by heading, and how much was compared."""

    by_heading: dict[str, list[str]] = field(default_factory=lambda: {h: [] for h in HEADINGS})
    compared: Counter[str] = field(default_factory=Counter)

    def add(self, heading: str, case: Case, sentence: str) -> None:
        self.by_heading[heading].append(f"{case.session}: {sentence}")

    @property
    def clean(self) -> bool:
        return not any(self.by_heading.values())

    def line(self) -> str:
        return " ".join(f"{len(found)} {heading}" for heading, found in self.by_heading.items())
