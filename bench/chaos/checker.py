"""Compares what everybody knows: each client's view, the database's log, the worker's journal.

Pure: everything was gathered before. A finding is a sentence under one of the headings that the run
prints as a number; no findings is what the run is for.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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


@dataclass
class Findings:
    """Sentences by heading."""

    by_heading: dict[str, list[str]] = field(default_factory=lambda: {h: [] for h in HEADINGS})

    def add(self, heading: str, case: Case, sentence: str) -> None:
        self.by_heading[heading].append(f"{case.session}: {sentence}")

    @property
    def clean(self) -> bool:
        return not any(self.by_heading.values())

    def line(self) -> str:
        return " ".join(f"{len(found)} {heading}" for heading, found in self.by_heading.items())


def check(case: Case, findings: Findings) -> None:
    """Adds what is wrong with this session."""
    _order(case, findings)
    _views(case, findings)
    _accepted(case, findings)
    _epochs(case, findings)
    _turns(case, findings)


def _order(case: Case, findings: Findings) -> None:
    if [row.seq for row in case.log] != list(range(1, len(case.log) + 1)):
        findings.add("reordered", case, "the log's seqs have a gap or a repetition")
    for event_id, count in Counter(row.id for row in case.log).items():
        if count > 1:
            findings.add("doubled", case, f"{event_id} is {count} times in the log")


def _views(case: Case, findings: Findings) -> None:
    for view in case.views:
        for problem in view.problems:
            findings.add("reordered", case, f"a client: {problem}")
        for seq, event in enumerate(view.facts, start=1):
            stored = case.log[seq - 1] if seq <= len(case.log) else None
            if stored is None or json.loads(stored.payload) != event:
                what = f"{event['type']} {event['id']} was shown as {seq}"
                findings.add("lost", case, f"{what}, the log has {stored and stored.id}")
                break
        if len(view.facts) < len(case.log):
            missing = len(case.log) - len(view.facts)
            findings.add("lost", case, f"a client never saw the last {missing} events")
        for event_id in view.open:
            findings.add("unmarked", case, f"text of {event_id} neither became a fact nor went")


def _accepted(case: Case, findings: Findings) -> None:
    ids = {row.id for row in case.log}
    for client_id, event in case.accepted.items():
        if event["id"] not in ids:
            findings.add("lost", case, f"{client_id} was accepted and is not in the log")
    messages = [json.loads(row.payload) for row in case.log if row.type == "user.message"]
    for client_id, count in Counter(message.get("client_id") for message in messages).items():
        if count > 1:
            findings.add("doubled", case, f"message {client_id} is {count} times in the log")


def _epochs(case: Case, findings: Findings) -> None:
    rows: defaultdict[int, list[Row]] = defaultdict(list)
    for row in case.log:
        if row.epoch is not None:
            rows[row.epoch].append(row)
    for epoch in case.epochs:
        own = rows.pop(epoch.number, [])
        if [row.n for row in own] != list(range(1, len(own) + 1)):
            findings.add("reordered", case, f"epoch {epoch.number} is not in its worker's order")
        later = [other.bound_seq for other in case.epochs if other.number > epoch.number]
        if later and own and own[-1].seq > min(later):
            findings.add("doubled", case, f"epoch {epoch.number} wrote after it was fenced")
        if epoch.journal is not None:
            _journal(case, epoch.number, own, epoch.journal, findings)
    for number in rows:
        findings.add("doubled", case, f"events of epoch {number}, which was never opened")


def _journal(
    case: Case, number: int, own: Sequence[Row], journal: Journal, findings: Findings
) -> None:
    """The journal begins with the log, and goes beyond it by what was not acknowledged."""
    for row in own:
        digest = hashlib.sha256(row.payload.encode()).hexdigest()
        if row.n is not None and journal.said.get(row.n) != digest:
            findings.add("lost", case, f"epoch {number}: n {row.n} is not what the worker said")
            return
    if journal.acked > len(own):
        what = f"n {journal.acked} was acknowledged, the log has {len(own)}"
        findings.add("lost", case, f"epoch {number}: {what}")


def _turns(case: Case, findings: Findings) -> None:
    bodies: list[dict[str, Any]] = [json.loads(row.payload) for row in case.log]
    starts = [body for body in bodies if body["type"] == "span.turn_start"]
    ends = Counter(b["turn_start_id"] for b in bodies if b["type"] == "span.turn_end")
    begun = Counter(message for start in starts for message in start["message_ids"])
    for body in bodies:
        if body["type"] == "user.message" and begun[body["id"]] != 1:
            heading = "doubled" if begun[body["id"]] else "unmarked"
            findings.add(heading, case, f"{body['id']} had {begun[body['id']]} turns")
    said = [body["id"] for body in bodies if body["type"] == "user.message"]
    known = set(said)
    if [message for message in said if message in begun] != [m for m in begun if m in known]:
        findings.add("reordered", case, "messages had their turns in another order")
    for start in starts:
        if ends[start["id"]] != 1:
            heading = "doubled" if ends[start["id"]] else "unmarked"
            findings.add(heading, case, f"turn {start['id']} has {ends[start['id']]} ends")
    for body in bodies:
        cut_off = body["type"] == "span.turn_end" and body["outcome"] == "interrupted"
        if cut_off and not body.get("reason"):
            findings.add("unmarked", case, f"{body['id']} says no reason")
