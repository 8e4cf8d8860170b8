"""Where a log is cut for a branch: between turns, whatever waited meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from csp_controlplane.domain.branching import Cut, Mark, cut_at_end, cut_before
from csp_controlplane.errors import Conflict, InvalidRequest


def said(seq: int, id_: str) -> Mark:
    return Mark(seq, id_, "user.message", {})


def begun(seq: int, *messages: str, prompt: str | None = None) -> Mark:
    body: dict[str, Any] = {"message_ids": list(messages)}
    if prompt:
        body["prompt_uuid"] = prompt
    return Mark(seq, f"start{seq}", "span.turn_start", body)


def ended(seq: int) -> Mark:
    return Mark(seq, f"end{seq}", "span.turn_end", {})


def cancelled(seq: int, message: str) -> Mark:
    return Mark(seq, f"cancel{seq}", "user.message_cancel", {"message_id": message})


PLAIN = [
    said(2, "a"), begun(4, "a", prompt="pa"), ended(9),
    said(11, "b"), begun(12, "b", prompt="pb"), ended(20),
]  # fmt: skip
QUEUED = [
    said(2, "a"), begun(3, "a", prompt="pa"), said(5, "b"), said(6, "c"), ended(9),
    begun(10, "b", prompt="pb"), ended(15), begun(16, "c", prompt="pc"), ended(20),
]  # fmt: skip


def test_a_message_that_was_sent_in_peace_is_cut_off_right_before_it() -> None:
    assert cut_before(PLAIN, "b") == Cut(10, (), ("pb",), True)


def test_a_branch_before_the_first_message_holds_no_turn() -> None:
    assert cut_before(PLAIN, "a") == Cut(1, (), ("pa", "pb"), False)


def test_a_message_that_waited_is_cut_off_before_its_turn_and_taken_back() -> None:
    assert cut_before(QUEUED, "b") == Cut(9, ("b", "c"), ("pb", "pc"), True)
    assert cut_before(QUEUED, "c") == Cut(15, ("c",), ("pc",), True)


def test_a_message_that_was_taken_back_leaves_nothing_waiting() -> None:
    marks = [
        said(1, "a"), begun(2, "a"), said(3, "b"), cancelled(4, "b"), ended(5), said(6, "c"),
        begun(7, "c"),
    ]  # fmt: skip
    assert cut_before(marks, "c") == Cut(5, (), (), True)
    with pytest.raises(Conflict, match="has not begun"):
        cut_before(marks, "b")


def test_a_message_behind_work_that_nobody_asked_for_waits_like_any_other() -> None:
    marks = [said(1, "a"), begun(2, "a"), ended(3), begun(4), said(5, "b"), ended(6), begun(7, "b")]
    assert cut_before(marks, "b") == Cut(6, ("b",), (), True)


def test_the_end_is_the_end_of_the_last_whole_turn() -> None:
    assert cut_at_end(PLAIN, 22) == Cut(22, (), (), True)
    assert cut_at_end(PLAIN[:-1], 15) == Cut(11, ("b",), ("pb",), True)
    assert cut_at_end(QUEUED[:5], 9) == Cut(9, ("b", "c"), (), True)
    assert cut_at_end([], 1) == Cut(1, (), (), False)


@pytest.mark.parametrize("at", ["start4", "nothing"], ids=["no-message", "unknown"])
def test_only_messages_of_the_session_are_places_for_a_branch(at: str) -> None:
    with pytest.raises(InvalidRequest, match=r"at: '\w+' is no user\.message"):
        cut_before(PLAIN, at)


def test_a_message_that_was_never_begun_is_no_place_for_a_branch() -> None:
    with pytest.raises(Conflict, match="has not begun"):
        cut_before([said(1, "a"), begun(2, "a"), said(3, "b")], "b")
