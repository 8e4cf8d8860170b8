"""For how long gateways have been heard without a break."""

from __future__ import annotations

import pytest

from csp_operator.pulse import Pulse
from csp_operator.settings import OperatorSettings


def heard(*beats: tuple[float, str], now: float) -> float:
    """After these renewals, seen at these times, with silence from 45 s on."""
    clock = [0.0]
    pulse = Pulse(OperatorSettings(gateway_silence_seconds=45), lambda: clock[0])
    for at, beat in beats:
        clock[0] = at
        pulse.hear(beat)
    clock[0] = now
    return pulse.heard_for()


@pytest.mark.parametrize(
    ("beats", "now", "seconds"),
    [
        ((), 100, 0),
        (((0, "a"),), 10, 0),  # of any age
        (((0, "a"), (10, "a")), 20, 0),
        (((0, "a"), (10, "b")), 20, 10),
        (((0, "a"), (10, "b"), (50, "c"), (90, "d")), 100, 90),
        (((0, "a"), (10, "b"), (20, "b")), 56, 0),  # silent
        (((0, "a"), (10, "b"), (90, "c")), 100, 10),  # and back: begins anew
    ],
)
def test_only_changes_without_a_break_count(
    beats: tuple[tuple[float, str], ...], now: float, seconds: float
) -> None:
    assert heard(*beats, now=now) == seconds
