"""Short chaos runs on real servers: sound without a mistake, never with one.

A mistake is caught when the promise that it breaks is seen to be broken: any other bad end might
have any other reason. Each must be caught in a run of everything, in which nothing aims at it, and
by the one blow that meets all three: a gateway stops with facts in its hand, their session goes on
without it, and it wakes up. Then what it had acknowledged is not in the log, nor is what it had
shown, and what it goes on to write belongs to an epoch that is over.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.sim.planted import PLANTS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
SEED = "3"
BROKEN = {
    "acknowledge-first": r"^lost: .* epoch \d+: n \d+ was acknowledged, the log has \d+$",
    "show-first": r"^lost: .* \S+ \S+ was shown as \d+, the log has \S+$",
    "forget-epochs": r"^doubled: .* epoch \d+ wrote after it was fenced$",
}
RUNS: dict[str, tuple[str, ...]] = {
    "aimed": ("--sessions", "2", "--only", "old epoch woken late"),
    "of-everything": (),
}


def chaos(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.chaos", "--quick", "--seed", SEED, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580)


def test_a_short_run_loses_nothing() -> None:
    done = chaos()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"seed {SEED} part 1/1: 0 lost 0 doubled 0 reordered 0 unmarked" in done.stdout


@pytest.mark.parametrize("blows", RUNS)
@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_a_planted_mistake_is_caught(plant: str, blows: str) -> None:
    done = chaos("--plant", plant, *RUNS[blows])
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(BROKEN[plant], done.stderr, re.MULTILINE), done.stdout + done.stderr
