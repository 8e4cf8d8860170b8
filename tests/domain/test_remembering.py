"""A memory that lacks what its log has is noticed; one that has more is not."""

from __future__ import annotations

import json

from csp_controlplane.domain.remembering import Told, forgotten


def prompt(uuid: str) -> str:
    return json.dumps({"type": "user", "uuid": uuid, "message": {"content": "hello"}})


def answer(kind: str = "text") -> str:
    message = {"role": "assistant", "content": [{"type": kind, "text": "well"}]}
    return json.dumps({"type": "assistant", "uuid": "a", "parentUuid": "p", "message": message})


def test_a_whole_memory_lacks_nothing() -> None:
    turns = [Told("p1", 1, True), Told("p2", 2, True)]
    lines = [prompt("p1"), answer(), prompt("p2"), answer("tool_use"), answer(), answer()]
    assert not forgotten(turns, lines)
    assert not forgotten(turns, ["no json", *lines, answer()]), "the log leaves some texts out"
    assert not forgotten([], lines)


def test_a_message_or_an_answer_that_is_not_there_is_missed() -> None:
    turns = [Told("p1", 1, True), Told("p2", 1, True)]
    assert forgotten(turns, [prompt("p1"), answer()]) == (1, 0)
    assert forgotten(turns, [prompt("p1"), answer(), prompt("p2")]) == (0, 1)
    assert forgotten(turns, [prompt("p1"), prompt("p2"), answer()]) == (0, 1)
    assert forgotten(turns, []) == (2, 0)


def test_a_turn_of_which_nothing_came_is_not_missed() -> None:
    assert not forgotten([Told("p1", 0, False)], [])


def test_a_prompt_is_not_taken_for_there_because_somebody_names_it() -> None:
    named = json.dumps({"type": "user", "uuid": "x", "parentUuid": "p1"})
    assert forgotten([Told("p1", 0, True)], [named]) == (1, 0)


def test_a_turn_without_a_message_counts_with_what_it_said() -> None:
    turns = [Told("p1", 1, True), Told("", 1, True)]
    assert forgotten(turns, [prompt("p1"), answer()]) == (0, 1)
    assert not forgotten(turns, [prompt("p1"), answer(), answer()])
