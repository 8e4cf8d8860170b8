"""What only LocalRuntime can get wrong, with workers that behave as the test says."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from csp_crds.agent import AgentSpec
from support.pool_of_workers import pool_of_workers
from support.waiting import wait_until

SESSION = "sesn_1"


async def test_a_replacement_that_still_starts_is_not_discarded_with_the_lost_worker(
    tmp_path: Path,
) -> None:
    async with pool_of_workers(tmp_path) as pool:
        await pool.runtime.create(SESSION, "local", AgentSpec())
        lost = await pool.runtime.wait_ready(SESSION, 60)
        os.kill(pool.pid_of(lost.worker_id), signal.SIGKILL)
        await wait_until(lambda: pool.workers.of_session(SESSION) is None, what="its end")

        pool.switch.write_text("never")
        await pool.runtime.create(SESSION, "local", AgentSpec())
        replacement = pool.workers.of_session(SESSION)
        assert replacement is not None
        assert not replacement.ready
        # Another gateway hears of the loss later than the one that has asked for the replacement.
        await pool.runtime.discard(SESSION, lost.worker_id)

        assert pool.workers.of_session(SESSION) is replacement
        assert not replacement.deleted
        await pool.runtime.discard(SESSION, replacement.id)
        assert pool.workers.of_session(SESSION) is None
