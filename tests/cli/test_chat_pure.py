"""What `csp chat` shows for what the socket says, and what typed answers mean: no processes."""

from __future__ import annotations

from typing import Any

import pytest

from csp_controlplane.cli.chat import answers
from csp_controlplane.cli.chat.transcript import Piece, Transcript, tool_line

MESSAGE = "sevt_m"


def start(name: str = MESSAGE, kind: str = "agent.message") -> dict[str, Any]:
    return {"type": "event_start", "event": {"id": name, "type": kind}}


def delta(offset: int, text: str, name: str = MESSAGE) -> dict[str, Any]:
    content = {"type": "text", "text": text}
    inner = {"type": "content_delta", "index": 0, "content": content}
    return {"type": "event_delta", "event_id": name, "offset": offset, "delta": inner}


def previews(*events: dict[str, Any]) -> dict[str, Any]:
    return {"type": "previews", "events": list(events)}


def message(text: str) -> dict[str, Any]:
    return {
        "id": MESSAGE,
        "type": "agent.message",
        "content": [{"type": "text", "text": text}],
    }


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if piece.kind == "answer")


def test_a_fact_shows_only_what_its_previews_have_not() -> None:
    transcript = Transcript()
    shown = text_of(transcript.previews(previews(start(), delta(0, "Grüße "))))
    shown += text_of(transcript.previews(previews(delta(8, "an"))))
    shown += text_of(transcript.fact(message("Grüße an alle")))
    assert shown == "Grüße an alle"


def test_previews_that_overlap_or_leave_a_gap_are_shown_once_and_in_order() -> None:
    transcript = Transcript()
    shown = text_of(
        transcript.previews(
            previews(start(), delta(0, "abc"), delta(0, "abc"), delta(2, "cde"), delta(9, "z"))
        )
    )
    assert shown == "abcde"
    assert text_of(transcript.fact(message("abcdefghiz"))) == "fghiz"


def test_a_fact_without_previews_is_shown_whole() -> None:
    assert text_of(Transcript().fact(message("all of it"))) == "all of it"


def test_a_reconnect_goes_on_where_log_and_preview_ended() -> None:
    transcript = Transcript(seq=4)
    transcript.previews(previews(start(), delta(0, "Grüße")))
    fresh = transcript.events(
        {"type": "events", "first_seq": 4, "events": [{"id": "a"}, {"id": "b"}]}
    )
    assert [event["seq"] for event in fresh] == [5]
    point = transcript.resume_point()
    assert (point.seq, point.previews) == (5, {MESSAGE: 7})
    assert point.query() == "after=5&preview=sevt_m%3A7"


def test_a_withdrawn_preview_is_said_and_forgotten() -> None:
    transcript = Transcript()
    transcript.previews(previews(start(), delta(0, "half")))
    pieces = transcript.previews({"type": "preview_withdrawn", "event_id": MESSAGE})
    assert pieces[0].kind == "note"
    assert transcript.resume_point().previews == {}


@pytest.mark.parametrize(
    ("name", "given", "line"),
    [
        ("Bash", {"command": "ls\n -l"}, "Bash  ls -l"),
        ("Edit", {"file_path": "/a", "old_string": "x"}, "Edit  /a"),
        ("mcp__x__y", {"q": 1}, 'mcp__x__y  {"q":1}'),
        ("TodoWrite", {}, "TodoWrite"),
        ("Bash", {"command": "x" * 500}, "Bash  " + "x" * 159 + "…"),
    ],
)
def test_a_tool_call_is_one_line(name: str, given: dict[str, Any], line: str) -> None:
    assert tool_line({"name": name, "input": given}) == line


def test_a_long_result_is_cut_and_a_failed_one_stands_out() -> None:
    long = {"type": "agent.tool_result", "content": [{"type": "text", "text": "a\n" * 20}]}
    (piece,) = Transcript().fact(long)
    assert piece.kind == "result"
    assert "12 more lines" in piece.text
    failed = {"type": "agent.tool_result", "content": [], "is_error": True}
    assert Transcript().fact(failed)[0].kind == "problem"


def test_a_structured_result_and_an_error_are_shown_at_the_turns_end() -> None:
    pieces = Transcript().fact(
        {
            "type": "span.turn_end",
            "outcome": "error",
            "structured_output": {"a": 1},
            "error": {"message": "The model is overloaded. Try again."},
        }
    )
    assert [piece.kind for piece in pieces] == ["data", "problem"]
    assert pieces[1].text == "The model is overloaded. Try again."


ASK = {
    "id": "sevt_t",
    "type": "agent.tool_use",
    "name": "Bash",
    "input": {"command": "ls"},
    "evaluated_permission": "ask",
}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("y", {"result": "allow", "scope": "once"}),
        ("YES ", {"result": "allow", "scope": "once"}),
        ("a", {"result": "allow", "scope": "session"}),
        ("n", {"result": "deny", "deny_message": answers.DENIED}),
        ("", {"result": "deny", "deny_message": answers.DENIED}),
        (None, {"result": "deny", "deny_message": answers.DENIED}),
        ("use make", {"result": "deny", "deny_message": "use make"}),
    ],
)
def test_what_a_typed_answer_means(typed: str | None, expected: dict[str, str]) -> None:
    decided = answers.decision(ASK, typed)
    assert decided == {"type": "user.tool_confirmation", "tool_use_id": "sevt_t", **expected}


@pytest.mark.parametrize(
    ("line", "many", "expected"),
    [
        ("2", False, "Blue"),
        ("3", False, "3"),
        ("teal", False, "teal"),
        ("1, 2", True, ["Red", "Blue"]),
        ("1, teal", True, "1, teal"),
        ("1,2", False, "1,2"),
    ],
)
def test_numbers_choose_and_words_answer(line: str, many: bool, expected: str | list[str]) -> None:
    options = [{"label": "Red"}, {"label": "Blue"}]
    assert answers.chosen(options, line, many=many) == expected


def test_nobody_there_means_no_unless_approved_and_questions_are_never_made_up() -> None:
    assert answers.unattended(ASK, approve=False)["result"] == "deny"
    assert answers.unattended(ASK, approve=True)["result"] == "allow"
    question = {**ASK, "name": "AskUserQuestion", "input": {"questions": [{"question": "Which?"}]}}
    assert answers.unattended(question, approve=True)["result"] == "deny"
