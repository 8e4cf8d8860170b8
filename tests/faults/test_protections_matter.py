"""Each protection has a test that fails when it is switched off.

A run switches off one of each group: within a group one's test may meet what another protects,
between groups it does not. With CSP_TEST_EACH_PROTECTION each has a run of its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import pytest

from support.mutants.gateway import GATEWAY
from support.mutants.machine import MACHINE
from support.mutants.proxy import PROXY
from support.mutants.rules import RULES
from support.mutants.sessions import SESSIONS
from support.mutants.store import STORE
from support.mutants.worker import WORKERS
from support.protections import ROOT, Protection, survivors

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

GROUPS = (STORE, SESSIONS, GATEWAY, PROXY, WORKERS, RULES, MACHINE)
EACH = {each.name: (each,) for group in GROUPS for each in group}
RUNS: dict[str, Sequence[Protection]] = (
    dict(EACH)
    if os.environ.get("CSP_TEST_EACH_PROTECTION")
    else {
        f"one-of-each-{number}": [each for each in column if each is not None]
        for number, column in enumerate(zip_longest(*GROUPS), 1)
    }
)


@pytest.mark.parametrize("run", RUNS)
def test_without_its_protection_a_test_fails(run: str, tmp_path: Path) -> None:
    assert survivors(RUNS[run], tmp_path) == {}


def test_what_protects_is_where_it_is_said_to_be() -> None:
    changes = [change for (each,) in EACH.values() for change in each.changes]
    gone = [change for change in changes if change.old not in (ROOT / change.file).read_text()]
    assert gone == []


def test_no_test_answers_for_two_protections_at_once() -> None:
    assert len(EACH) == sum(map(len, GROUPS)), "each has a name of its own"
    for run in RUNS.values():
        tests = [each.test.partition("[")[0] for each in run]
        assert len(set(tests)) == len(tests)
