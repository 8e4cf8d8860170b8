"""Each protection has a test that fails when it is switched off.

They are switched off together, a group in one run, because their tests do not meet; with
CSP_TEST_EACH_PROTECTION each has a run of its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.mutants import ALL, Protection, survivors

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

RUNS: dict[str, Sequence[Protection]] = (
    {each.name: (each,) for group in ALL.values() for each in group}
    if os.environ.get("CSP_TEST_EACH_PROTECTION")
    else dict(ALL)
)


@pytest.mark.parametrize("run", RUNS)
def test_without_its_protection_a_test_fails(run: str, tmp_path: Path) -> None:
    assert survivors(RUNS[run], tmp_path) == {}
