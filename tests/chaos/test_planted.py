"""Short chaos runs on real servers: sound without a mistake, never with one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.sim.planted import PLANTS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
SEED = "3"


def chaos(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.chaos", "--quick", "--seed", SEED, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580)


def test_a_short_run_loses_nothing() -> None:
    done = chaos()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"seed {SEED} part 1/1: 0 lost 0 doubled 0 reordered 0 unmarked" in done.stdout


@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_a_planted_mistake_is_caught(plant: str) -> None:
    done = chaos("--plant", plant)
    assert done.returncode == 1, done.stdout + done.stderr
    # A promise is seen to be broken; a run that only ended badly is no finding.
    assert f"seed {SEED} part 1/1: " in done.stdout
    assert "0 lost 0 doubled 0 reordered" not in done.stdout
