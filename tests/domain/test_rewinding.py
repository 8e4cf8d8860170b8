"""What follows when files are taken back: a turn that runs ends, everything else stays."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from csp_controlplane.domain.events import EventFactory
from csp_controlplane.domain.fold import Fold, Question, Queued, Turn
from csp_controlplane.domain.rewinding import files_taken_back, refuse_where_it_makes_no_sense
from csp_controlplane.errors import Conflict

NOW = datetime(2030, 1, 1, tzinfo=UTC)
MAKE = EventFactory(now=lambda: NOW, new_id=lambda prefix: f"{prefix}_1")
RUNNING = Fold(state="running", turn=Turn("t", ("m",)), questions=(Question("q", "Bash", "Bash"),))


def types(fold: Fold) -> tuple[Fold, list[str]]:
    decision = files_taken_back(fold, "m", NOW, MAKE)
    return decision.fold, [event.type for event in decision.events]


@pytest.mark.parametrize("state", ["active", "paused", "creating", "error"])
def test_without_a_turn_only_the_notice_is_written(state: str) -> None:
    fold = Fold(state=state)  # type: ignore[arg-type]
    assert types(fold) == (fold, ["session.notice"])


def test_a_running_turn_ends_and_its_questions_with_it() -> None:
    fold, events = types(RUNNING)
    assert (fold.state, fold.turn, fold.questions) == ("active", None, ())
    assert events == ["span.turn_end", "session.notice", "session.status_idle"]


def test_what_is_queued_goes_on() -> None:
    queue = (Queued("n"),)
    fold, events = types(Fold(state="running", turn=Turn("t"), queue=queue))
    assert (fold.state, fold.turn, fold.queue) == ("running", None, queue)
    assert events == ["span.turn_end", "session.notice"]


def test_the_notice_names_the_message_and_the_time() -> None:
    body = orjson.loads(files_taken_back(Fold(state="active"), "m", NOW, MAKE).events[0].payload)
    assert (body["code"], body["data"]) == ("files_taken_back", {"message_id": "m"})
    assert "2030-01-01 00:00:00 UTC" in body["message"]


@pytest.mark.parametrize(
    "fold",
    [Fold(state="completed"), Fold(state="paused", suspended=True)],
    ids=["ended", "suspended"],
)
def test_a_session_that_cannot_run_is_refused(fold: Fold) -> None:
    with pytest.raises(Conflict):
        refuse_where_it_makes_no_sense(fold)
