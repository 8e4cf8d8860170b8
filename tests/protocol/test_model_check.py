"""Every order of steps, crashes between any two of them: the promises of the protocol hold.

What is searched is the product's own code with the real log (see support.sim); the seed is fixed,
so that a run that passes passes again. CSP_MODEL_CHECK_EXAMPLES asks for more examples.
"""

from __future__ import annotations

import os

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from csp_controlplane.attach import attachment, committer
from support.sim import planted
from support.sim.checks import Broken
from support.sim.machine import Machine, Surroundings

pytestmark = pytest.mark.timeout(300)

EXAMPLES = int(os.environ.get("CSP_MODEL_CHECK_EXAMPLES", "60"))
SEARCH = settings(
    max_examples=EXAMPLES,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

BROKEN = {
    "acknowledge-first": "acknowledged means committed",
    "show-first": "shown means committed, in order",
    "forget-epochs": "a fenced epoch writes nothing",
}
"""The promise that each mistake breaks: an end for any other reason is no finding."""


def test_no_order_of_steps_and_crashes_breaks_a_promise(around: Surroundings) -> None:
    run_state_machine_as_test(Machine, settings=SEARCH)


@pytest.mark.parametrize("plant", planted.PLANTS)
def test_a_planted_mistake_is_found(
    plant: str, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the plant replaces is put back at the test's end.
    for owner, name in (
        (attachment.Attachment, "_commit"),
        (attachment.Attachment, "_commit_until_done"),
        (committer.Committer, "commit"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    planted.PLANTS[plant]()
    if plant == "forget-epochs":
        with around.loop.real():
            around.loop.run(_unfence(around.url))
    # The database takes its own time, so that a run need not go the same way when it is repeated
    # for the report: Hypothesis then says that it is flaky.
    with pytest.raises((Broken, Flaky)):
        run_state_machine_as_test(
            Machine, settings=settings(SEARCH, max_examples=400, phases=[Phase.generate])
        )
    promises = [str(broken) for broken in around.broken]
    assert any(promise.startswith(BROKEN[plant]) for promise in promises), promises


async def _unfence(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await planted.unfence(connection)
    finally:
        await connection.close()
