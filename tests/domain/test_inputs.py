"""The shapes that clients may send, and the sentences for those that they may not."""

from __future__ import annotations

import pytest

from csp_controlplane.domain.inputs import parse_client_events
from csp_controlplane.errors import ApiError, InvalidRequest, TooLarge

HELLO = {"type": "user.message", "content": [{"type": "text", "text": "hi"}]}


def test_a_message_is_accepted_and_unknown_fields_are_ignored() -> None:
    parsed = parse_client_events([{**HELLO, "session_thread_id": None, "novel": 1}])
    assert parsed == [("user.message", {"content": [{"type": "text", "text": "hi"}]})]


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        (None, "send a list with at least one event"),
        ([], "send a list with at least one event"),
        ([HELLO] * 51, "at most 50"),
        ([{"type": "agent.message"}], r"events.0.type: 'agent.message' is not an event"),
        ([{}], r"events.0.type: None is not an event"),
        (["x"], r"events.0"),
        ([{"type": "user.message", "content": []}], r"events.0.content"),
        ([{"type": "user.message", "content": [{"type": "text", "text": " "}]}], "empty"),
        ([{"type": "user.message", "content": [{"type": "video"}]}], r"events.0.content.0"),
        ([HELLO, {"type": "user.message_cancel"}], r"events.1.message_id"),
        (
            [{"type": "user.tool_confirmation", "tool_use_id": "x", "result": "maybe"}],
            r"events.0.result",
        ),
        (
            [
                {
                    "type": "user.tool_confirmation",
                    "tool_use_id": "x",
                    "result": "allow",
                    "deny_message": "no",
                }
            ],
            "only for result deny",
        ),
        (
            [{"type": "user.message", "content": [{"type": "text", "text": "\ud800"}]}],
            r"events.0",
        ),
    ],
)
def test_a_bad_event_is_named_with_its_place(events: object, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        parse_client_events(events)


@pytest.mark.parametrize("kind", ["user.shout", "agent.message", "", 7, None])
def test_a_type_that_nobody_has_heard_of_is_named(kind: object) -> None:
    with pytest.raises(InvalidRequest, match=r"events\.1\.type: .* is not an event that a client"):
        parse_client_events([HELLO, {"type": kind, "content": []}])


def test_an_event_over_a_megabyte_says_what_to_do() -> None:
    big = {"type": "user.message", "content": [{"type": "text", "text": "x" * 1_100_000}]}
    with pytest.raises(TooLarge, match="POST /files") as caught:
        parse_client_events([big])
    assert isinstance(caught.value, ApiError)
    assert caught.value.status == 413
