"""Text that arrives after the fact that it announced: its stream was slow, the log was not."""

from __future__ import annotations

from datetime import date
from typing import Any

from csp_controlplane.domain.events import LoggedEvent
from csp_controlplane.live.frames import DELTA, START, Frame
from csp_controlplane.live.hub import Hub


class Told:
    """A subscriber that keeps what it is told."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def put(self, frame: Frame) -> None:
        self.kinds.append(frame.kind)


def test_text_is_not_shown_once_its_fact_was() -> None:
    nothing: Any = None
    hub = Hub(nothing, "t1", "sesn", date(2030, 1, 1), 0)
    told: Any = Told()
    hub._outlets.add(told)
    late = [("sevt_1", "agent.message", START, 0, 0, b"{}"),
            ("sevt_1", "agent.message", DELTA, 0, 4, b"{}")]  # fmt: skip
    hub.committed([LoggedEvent(1, "sevt_1", "agent.message", b"{}")])
    hub.preview(late)
    assert told.kinds == ["events"]
    assert hub.previews.ids() == []
    hub.preview([("sevt_2", "agent.message", START, 0, 0, b"{}")])
    assert told.kinds == ["events", "previews"]
