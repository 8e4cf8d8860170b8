"""The checker of chaos runs finds each kind of damage in what was gathered, and nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from bench.chaos.case import Case, Epoch, Findings, Journal, Row, View
from bench.chaos.checker import check
from support.scripts import say, script
from support.viewer import text_message

SAID = text_message(script(say("word ", n=3)))
ANSWER = text_message("word word word ")["content"]
EVENTS: tuple[tuple[str, dict[str, Any], int | None], ...] = (
    ("user.message", {**SAID, "id": "m1", "client_id": "c1"}, None),
    ("span.turn_start", {"id": "s1", "message_ids": ["m1"]}, 1),
    ("agent.message", {"id": "a1", "content": ANSWER}, 2),
    ("span.turn_end", {"id": "e1", "turn_start_id": "s1", "outcome": "completed"}, 3),
    ("session.notice", {"id": "n1"}, None),
)


def sound() -> Case:
    """One message, one turn, two clients that saw all of it."""
    log, said, facts = [], {}, []
    for seq, (type_, fields, n) in enumerate(EVENTS, start=1):
        body = {**fields, "type": type_}
        payload = json.dumps(body)
        log.append(Row(seq, 1 if n else None, n, fields["id"], type_, payload))
        facts.append(body)
        if n:
            said[n] = hashlib.sha256(payload.encode()).hexdigest()
    journal = Journal({**said, 4: "of what was not acknowledged"}, 3)
    views = [View(facts, {}), View(facts, {})]
    accepted = {"c1": {"id": "m1", "type": "user.message"}}
    return Case("sesn", log, [Epoch(1, 0, journal)], views, accepted, {"c1": SAID})


def headings(case: Case) -> set[str]:
    findings = Findings()
    check(case, findings)
    return {heading for heading, found in findings.by_heading.items() if found}


def test_a_sound_session_has_no_findings() -> None:
    findings = Findings()
    check(sound(), findings)
    assert findings.clean, findings.by_heading
    assert findings.line() == "0 lost 0 doubled 0 reordered 0 unmarked"


def without(case: Case, seq: int) -> Case:
    return replace(case, log=[row for row in case.log if row.seq != seq])


def with_row(case: Case, row: Row) -> Case:
    return replace(case, log=[*case.log, row])


def changed(case: Case, seq: int, **fields: Any) -> Case:
    """The log and whoever saw it with other fields of one event; its worker said the same."""
    log = [*case.log]
    body = {**log[seq - 1].body, **fields}
    log[seq - 1] = replace(log[seq - 1], payload=json.dumps(body))
    views = [replace(view, facts=[*view.facts[: seq - 1], body, *view.facts[seq:]])
             for view in case.views]  # fmt: skip
    epoch = case.epochs[0]
    assert epoch.journal is not None
    said = {row.n: hashlib.sha256(row.payload.encode()).hexdigest() for row in log if row.n}
    return replace(case, log=log, views=views,
                   epochs=[replace(epoch, journal=replace(epoch.journal, said=said))])  # fmt: skip


def with_events(case: Case, *bodies: dict[str, Any]) -> Case:
    """The control plane wrote these as well, after all the others."""
    for body in bodies:
        seq = len(case.log) + 1
        case = with_row(case, Row(seq, None, None, body["id"], body["type"], json.dumps(body)))
    return case


def turns_out_of_order(case: Case) -> Case:
    """A second message, said after the first, whose turn came before."""
    first, *others = case.log
    again = json.dumps({"type": "user.message", "id": "m2", "client_id": "c2"})
    early = json.dumps({"type": "span.turn_start", "id": "s2", "message_ids": ["m2"]})
    return replace(case, log=[
        first,
        Row(2, None, None, "m2", "user.message", again),
        Row(3, 1, 1, "s2", "span.turn_start", early),
        *others,
    ])  # fmt: skip


def broken_cases() -> dict[str, tuple[Case, str]]:
    case = sound()
    view = case.views[0]
    shown_too_much = replace(view, facts=[*view.facts, {"type": "agent.message", "id": "ghost"}])
    epoch = case.epochs[0]
    assert epoch.journal is not None
    again = json.dumps({"type": "user.message", "id": "m2", "client_id": "c1"})
    allowed = {"type": "user.tool_confirmation", "tool_use_id": "t1", "result": "allow"}
    asks = {"id": "t1", "type": "agent.tool_use", "evaluated_permission": "ask"}
    ran = {"id": "r1", "type": "agent.tool_result", "tool_use_id": "t1", "is_error": False}
    second_end = json.dumps({"type": "span.turn_end", "id": "e2", "turn_start_id": "s1",
                             "outcome": "completed"})  # fmt: skip
    return {
        "shown-and-gone": (replace(case, views=[shown_too_much]), "lost"),
        "never-shown": (replace(case, views=[replace(view, facts=view.facts[:3])]), "lost"),
        "accepted-and-gone": (
            replace(case, accepted={"c9": {"id": "m9", "type": "user.message"}}),
            "lost",
        ),
        "acknowledged-and-gone": (
            replace(case, epochs=[replace(epoch, journal=replace(epoch.journal, acked=4))]),
            "lost",
        ),
        "not-what-was-said": (
            replace(case, epochs=[replace(epoch, journal=Journal({1: "x", 2: "y", 3: "z"}, 3))]),
            "lost",
        ),
        "message-twice": (with_row(case, Row(6, None, None, "m2", "user.message", again)),
                          "doubled"),
        "turn-ends-twice": (with_row(case, Row(6, 1, 4, "e2", "span.turn_end", second_end)),
                            "doubled"),
        "fenced-epoch-writes": (
            replace(case, epochs=[epoch, Epoch(2, 2, None)]),
            "doubled",
        ),
        "unknown-epoch": (replace(case, epochs=[]), "doubled"),
        "gap": (without(case, 5), "lost"),
        "out-of-order": (
            replace(case, log=[replace(row, n={2: 3, 3: 2}.get(row.n or 0, row.n))
                               for row in case.log]),
            "reordered",
        ),
        "protocol-broken": (replace(case, views=[replace(view, problems=["a step back"])]),
                            "reordered"),
        "no-end": (without(case, 4), "unmarked"),
        "no-turn": (
            with_row(case, Row(6, None, None, "m3", "user.message",
                               json.dumps({"type": "user.message", "id": "m3"}))),
            "unmarked",
        ),
        "turns-out-of-order": (turns_out_of_order(case), "reordered"),
        "cut-short": (changed(case, 3, content=text_message("word word ")["content"]), "lost"),
        "not-as-it-was-sent": (replace(case, sent={"c1": text_message("else")}), "lost"),
        "error-without-a-word": (changed(case, 4, outcome="error"), "unmarked"),
        "refused-and-done": (replace(case, refused={"c1"}), "unmarked"),
        "answered-twice": (with_events(case, asks, {**allowed, "id": "y1"},
                                       {**allowed, "id": "y2"}), "doubled"),
        "ran-unasked": (with_events(case, asks, ran), "unmarked"),
        "cancelled-too-late": (
            with_events(case, {"id": "x1", "type": "user.message_cancel", "message_id": "m1"}),
            "unmarked",
        ),
        "open-text": (replace(case, views=[replace(view, open={"a2": b"half"})]), "unmarked"),
    }  # fmt: skip


@pytest.mark.parametrize("name", broken_cases())
def test_damage_is_found(name: str) -> None:
    case, heading = broken_cases()[name]
    assert heading in headings(case)


def test_a_journal_is_read_back_to_its_last_whole_line() -> None:
    journal = Journal.read("said 1 aa\nsaid 2 bb\nacked 1\nsaid 3")
    assert journal == Journal({1: "aa", 2: "bb"}, 1)


def test_a_cancelled_message_needs_no_turn() -> None:
    said = {**SAID, "id": "m2", "client_id": "c2"}
    gone = {"id": "x1", "type": "user.message_cancel", "message_id": "m2"}
    case = with_events(sound(), said, gone)
    case = replace(case, views=[View([row.body for row in case.log], {})])
    assert headings(case) == set()


def test_an_edited_message_is_answered_as_it_was_last() -> None:
    edit = {"id": "u1", "type": "user.message_update", "message_id": "m1"}
    new = text_message(script(say("more ", n=2)))["content"]
    case = sound()
    message, *others = case.log
    later = [replace(row, seq=row.seq + 1) for row in others]
    body = json.dumps({**edit, "content": new})
    log = [message, Row(2, None, None, "u1", edit["type"], body), *later]
    case = replace(case, log=log, views=[View([row.body for row in log], {})])
    assert headings(case) == {"lost"}
    right = changed(case, 4, content=text_message("more more ")["content"])
    assert headings(right) == set()


def test_missing_journals_are_counted() -> None:
    findings = Findings()
    case = sound()
    check(replace(case, epochs=[replace(case.epochs[0], journal=None)]), findings)
    assert findings.compared["journals missing"] == 1
