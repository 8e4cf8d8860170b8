"""Compares what people asked for with what became of it: turns, their texts, tools and ends. Pure.

The scripted model says what a message's script says, so a turn that is called complete has to have
exactly that text in the log.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field

from bench.chaos.case import Case, Findings
from support.shown import Event

_SCRIPT = re.compile(r"SCRIPT:(\[.*\]):END", re.DOTALL)


@dataclass
class Turn:
    """One turn with what lies between its beginning and its end. Seqs are places in the log."""

    start: Event
    start_seq: int
    end: Event | None = None
    between: list[Event] = field(default_factory=list)

    def text(self) -> str:
        """What the agent said."""
        return "".join(
            block.get("text", "")
            for event in self.between
            if event["type"] == "agent.message"
            for block in event["content"]
        )


def check(case: Case, findings: Findings) -> None:
    """Adds what is wrong with this session's turns."""
    bodies = [row.body for row in case.log]
    turns = _read(bodies)
    _counts(case, bodies, turns, findings)
    _changes(case, bodies, turns, findings)
    _tools(case, bodies, findings)
    for turn in turns.values():
        if turn.end is not None:
            _end(case, bodies, turn, turn.end, findings)


def expected(content: list[Event]) -> str:
    """The text that the scripted model answers a message with."""
    said = "\n".join(block.get("text", "") for block in content)
    (source,) = _SCRIPT.findall(said)
    steps = json.loads(source)
    return "".join(step["text"] * step.get("n", 1) for step in steps if step["t"] == "text")


def _read(bodies: list[Event]) -> dict[str, Turn]:
    turns: dict[str, Turn] = {}
    running: Turn | None = None
    for seq, body in enumerate(bodies, start=1):
        if body["type"] == "span.turn_start":
            running = turns.setdefault(body["id"], Turn(body, seq))
        elif body["type"] == "span.turn_end" and body["turn_start_id"] in turns:
            turn = turns[body["turn_start_id"]]
            turn.end = turn.end or body
            running = None
        elif running is not None:
            running.between.append(body)
    return turns


def _counts(case: Case, bodies: list[Event], turns: dict[str, Turn], findings: Findings) -> None:
    """Each message one turn, unless it was cancelled; each turn one end; all in order."""
    cancelled = {b["message_id"] for b in bodies if b["type"] == "user.message_cancel"}
    begun = Counter(i for turn in turns.values() for i in turn.start["message_ids"])
    said = [body["id"] for body in bodies if body["type"] == "user.message"]
    for message in said:
        if begun[message] > 1 or (begun[message] == 0 and message not in cancelled):
            heading = "doubled" if begun[message] else "unmarked"
            findings.add(heading, case, f"{message} had {begun[message]} turns")
    known = set(said)
    if [message for message in said if message in begun] != [m for m in begun if m in known]:
        findings.add("reordered", case, "messages had their turns in another order")
    ends = Counter(b["turn_start_id"] for b in bodies if b["type"] == "span.turn_end")
    for start in turns:
        if ends[start] != 1:
            heading = "doubled" if ends[start] else "unmarked"
            findings.add(heading, case, f"turn {start} has {ends[start]} ends")


def _changes(case: Case, bodies: list[Event], turns: dict[str, Turn], findings: Findings) -> None:
    """What was accepted as changed had not begun, and what was taken back is not answered."""
    places = {i: turn for turn in turns.values() for i in turn.start["message_ids"]}
    for seq, body in enumerate(bodies, start=1):
        if body["type"] not in ("user.message_update", "user.message_cancel"):
            continue
        turn = places.get(body["message_id"])
        if turn is None:
            continue
        what = f"{body['message_id']} had begun before {body['id']} was accepted"
        if turn.start_seq < seq:
            findings.add("unmarked", case, what)
        elif body["type"] == "user.message_cancel" and turn.end and _completed(turn.end):
            findings.add("unmarked", case, f"{body['message_id']} was cancelled and answered")


def _tools(case: Case, bodies: list[Event], findings: Findings) -> None:
    """One answer per question; nothing that asks runs without one."""
    given: Counter[str] = Counter()
    allowed: set[str] = set()
    asks: set[str] = set()
    for body in bodies:
        match body["type"]:
            case "agent.tool_use" if body.get("evaluated_permission") == "ask":
                asks.add(body["id"])
            case "user.tool_confirmation":
                given[body["tool_use_id"]] += 1
                if body["result"] == "allow":
                    allowed.add(body["tool_use_id"])
            case "agent.tool_result" if not body["is_error"]:
                findings.compared["tools run"] += 1
                if body["tool_use_id"] in asks - allowed:
                    findings.add("unmarked", case, f"{body['tool_use_id']} ran and nobody agreed")
    for tool_use, count in given.items():
        if count > 1:
            findings.add("doubled", case, f"{tool_use} was answered {count} times")


def _end(case: Case, bodies: list[Event], turn: Turn, end: Event, findings: Findings) -> None:
    findings.compared[f"turns {end['outcome']}"] += 1
    if end["outcome"] == "interrupted" and not end.get("reason"):
        findings.add("unmarked", case, f"{end['id']} says no reason")
    if end["outcome"] == "error" and not any(b["type"] == "session.error" for b in turn.between):
        findings.add("unmarked", case, f"{end['id']} is an error that nobody is told of")
    if _completed(end) and len(turn.start["message_ids"]) == 1:
        (message,) = turn.start["message_ids"]
        wanted, found = expected(_content(bodies[: turn.start_seq], message)), turn.text()
        if wanted != found:
            what = f"{len(found)} of {len(wanted)} characters of its answer are in the log"
            findings.add("lost", case, f"{message} is called complete, and {what}")


def _completed(end: Event) -> bool:
    return bool(end["outcome"] == "completed")


def _content(before: list[Event], message: str) -> list[Event]:
    """Of a message, as it had last been changed."""
    content: list[Event] = []
    for body in before:
        match body["type"]:
            case "user.message" if body["id"] == message:
                content = body["content"]
            case "user.message_update" if body["message_id"] == message:
                content = body["content"]
    return content
