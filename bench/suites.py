"""Which figures there are, and which servers each of them is measured on."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench import (
    append,
    first_token,
    growth,
    idle,
    page,
    relay_cpu,
    relay_latency,
    replay,
    returns,
)
from bench.figures import Figure
from bench.lab import Lab, open_lab

Show = Callable[[Figure], None]


@dataclass(frozen=True, slots=True)
class Suite:
    """Figures that are measured together, on servers of their own."""

    name: str
    figures: tuple[str, ...]
    measure: Callable[[bool], Awaitable[list[Figure]]]
    by_name: bool = False
    """Only when it is asked for, because it takes long."""


def _in_lab(
    measure: Callable[[Lab, bool], Awaitable[list[Figure]]],
) -> Callable[[bool], Awaitable[list[Figure]]]:
    async def measured(quick: bool) -> list[Figure]:
        async with open_lab() as lab:
            return await measure(lab, quick)

    return measured


SUITES: tuple[Suite, ...] = (
    Suite(
        "first_token",
        ("first_token_ratio", "first_token_cold_ratio", "spare_pss_mb"),
        first_token.measure,
    ),
    Suite("relay_cpu", ("relay_cpu_ratio", "relay_facts_cpu_ratio"), _in_lab(relay_cpu.measure)),
    Suite(
        "relay_latency",
        (
            "relay_p50_ratio_1",
            "relay_facts_p50_ratio_1",
            "relay_p50_ratio_100",
            "relay_facts_p50_ratio_100",
        ),
        _in_lab(relay_latency.measure),
    ),
    Suite("replay", ("replay_ratio", "replay_growth", "append_growth"), _in_lab(replay.measure)),
    Suite("append", ("append_ratio", "append_p50_ratio"), _in_lab(append.measure)),
    Suite(
        "returns",
        ("reconnect_p95_s", "reconnect_restart_p95_s", "rebind_p95_s"),
        returns.measure,
    ),
    Suite("idle", ("idle_session_kb",), _in_lab(idle.measure)),
    Suite(
        "page",
        ("page_5000_open_ms", "page_5000_longest_task_ms", "page_5000_nodes"),
        page.measure,
    ),
    Suite(
        "open_100k",
        ("open_100k_s", "open_100k_reload_s", "open_100k_heap_mb"),
        growth.measure_open,
    ),
    Suite("fork_10mb", ("fork_10mb_s",), growth.measure_fork),
)


async def run(suites: Sequence[Suite], quick: bool, show: Show) -> list[Figure]:
    """One suite after the other; every figure is shown when its suite is through.

    A suite that cannot be measured fails the run at its end, not the suites after it.
    """
    figures: list[Figure] = []
    for suite in suites:
        try:
            measured = await suite.measure(quick)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is the figures' miss
            why = {"could not be measured": f"{type(error).__name__}: {error}"}
            measured = [Figure(name, float("nan"), 0.0, why) for name in suite.figures]
            sys.excepthook(type(error), error, error.__traceback__)
        for figure in measured:
            show(figure)
        figures += measured
    return figures
