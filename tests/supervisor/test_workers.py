"""Keeping and handing out workers: real processes, a stand-in for the worker's program."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from csp_controlplane.runtime.protocol import NoCapacity, RuntimeStopping, WorkerGone
from csp_controlplane.supervisor.settings import SupervisorSettings
from csp_crds.agent import AgentSpec, Limits, McpServer
from support.pool_of_workers import PoolOfWorkers, pool_of_workers
from support.waiting import wait_until

SPEC = AgentSpec()
OTHER = AgentSpec(limits=Limits(max_turns=3))
WITH_MCP = AgentSpec(mcp_servers={"m": McpServer(url="http://mcp.example")})


@pytest.fixture
async def cold(tmp_path: Path) -> AsyncIterator[PoolOfWorkers]:
    async with pool_of_workers(tmp_path) as pool:
        yield pool


@pytest.fixture
async def warm(tmp_path: Path) -> AsyncIterator[PoolOfWorkers]:
    settings = SupervisorSettings(warm=2, warm_total=3, parallel_starts=1, stop_deadline=3.0)
    async with pool_of_workers(tmp_path, settings=settings) as pool:
        await filled(pool, 2)
        yield pool


async def default_row(pool: PoolOfWorkers) -> dict[str, Any]:
    rows = (await pool.runtime.pool())["profiles"]
    return next(row for row in rows if row["default"])


async def filled(pool: PoolOfWorkers, count: int) -> None:
    async def ready() -> bool:
        return bool((await default_row(pool))["warm"] == count)

    await wait_until(ready, 30, f"{count} warm spares")


async def next_end(pool: PoolOfWorkers) -> asyncio.Task[WorkerGone]:
    """A task that sees the next end; returns once it is connected."""
    before = len(pool.workers.watchers)

    async def first() -> WorkerGone:
        async for gone in pool.runtime.watch():
            return gone
        raise AssertionError("the watch ended")

    task = asyncio.create_task(first())
    await wait_until(lambda: len(pool.workers.watchers) > before, 5, "the watch being connected")
    return task


async def test_a_claim_is_idempotent_also_when_it_comes_twice_at_once(cold: PoolOfWorkers) -> None:
    await asyncio.gather(*(cold.runtime.create("sesn_1", "local", SPEC) for _ in range(5)))
    first = await cold.runtime.wait_ready("sesn_1", 20)
    await cold.runtime.create("sesn_1", "local", OTHER)
    assert await cold.runtime.wait_ready("sesn_1", 20) == first
    assert cold.workers.claimed == 1
    assert not first.warm


async def test_who_is_stopping_gives_out_no_worker(cold: PoolOfWorkers) -> None:
    await cold.runtime.create("sesn_1", "local", SPEC)
    await cold.runtime.wait_ready("sesn_1", 20)
    await cold.workers.close()
    with pytest.raises(RuntimeStopping):
        await cold.runtime.create("sesn_1", "local", SPEC)


async def test_a_session_of_the_profile_gets_a_warm_spare_and_the_pool_refills(
    warm: PoolOfWorkers,
) -> None:
    spares = {spare.worker_id for spare in warm.workers.spares()}
    await warm.runtime.create("sesn_1", "local", SPEC)
    ref = await warm.runtime.endpoint("sesn_1")
    assert ref is not None
    assert ref.warm
    assert ref.worker_id in spares
    await filled(warm, 2)
    assert ref.worker_id not in {spare.worker_id for spare in warm.workers.spares()}


@pytest.mark.parametrize("spec", [OTHER, WITH_MCP])
async def test_a_session_of_another_profile_gets_a_spare_that_counts_as_partial(
    warm: PoolOfWorkers, spec: AgentSpec
) -> None:
    spares = {spare.worker_id for spare in warm.workers.spares()}
    await warm.runtime.create("sesn_1", "local", spec)
    ref = await warm.runtime.wait_ready("sesn_1", 20)
    assert ref.worker_id in spares
    assert not ref.warm


async def test_a_profile_that_was_used_gets_a_spare_of_its_own(warm: PoolOfWorkers) -> None:
    await warm.runtime.create("sesn_1", "local", OTHER)

    async def ready() -> bool:
        rows = {row["profile"]: row for row in (await warm.runtime.pool())["profiles"]}
        return bool(rows.get(OTHER.spawn_profile(), {}).get("warm") == 1)

    await wait_until(ready, 30, "a warm spare of the other profile")


async def test_a_refill_that_fails_is_visible_and_recovers(warm: PoolOfWorkers) -> None:
    warm.switch.write_text("fails")
    await warm.runtime.create("sesn_1", "local", SPEC)

    async def failing() -> dict[str, Any] | None:
        row = await default_row(warm)
        return row if row["failing"] else None

    row = await wait_until(failing, 20, "the failing refill being visible")
    assert "exit code 3" in row["last_error"]
    assert "told to fail" in row["last_error"]
    warm.switch.write_text("ready")
    await filled(warm, 2)
    row = await default_row(warm)
    assert not row["failing"]
    assert row["last_error"] is None


async def test_a_spare_that_is_never_ready_is_ended_and_counts_as_failing(tmp_path: Path) -> None:
    (tmp_path / "behaviour").write_text("never")
    settings = SupervisorSettings(warm=1, start_deadline=1.5)
    async with pool_of_workers(tmp_path, settings=settings) as pool:

        async def failing() -> bool:
            return bool((await default_row(pool))["failing"])

        await wait_until(failing, 20, "the spare counting as failed")
        assert "not ready in time" in (await default_row(pool))["last_error"]


async def test_a_start_that_fails_is_told_in_words_and_may_be_tried_again(
    cold: PoolOfWorkers,
) -> None:
    cold.switch.write_text("fails")
    await cold.runtime.create("sesn_1", "local", SPEC)
    with pytest.raises(NoCapacity, match=r"could not be started.*workers\.log") as told:
        await cold.runtime.wait_ready("sesn_1", 20)
    assert "/" not in str(told.value), "no path of the server"
    assert await cold.runtime.endpoint("sesn_1") is None
    cold.switch.write_text("ready")
    await cold.runtime.create("sesn_1", "local", SPEC)
    assert (await cold.runtime.wait_ready("sesn_1", 20)).endpoint.startswith("unix:")


async def test_waiting_ends_at_its_deadline(cold: PoolOfWorkers) -> None:
    cold.switch.write_text("never")
    await cold.runtime.create("sesn_1", "local", SPEC)
    with pytest.raises(TimeoutError):
        await cold.runtime.wait_ready("sesn_1", 0.3)


async def test_more_workers_than_may_be_are_refused_in_words(tmp_path: Path) -> None:
    settings = SupervisorSettings(warm=0, max_workers=1)
    async with pool_of_workers(tmp_path, settings=settings) as pool:
        await pool.runtime.create("sesn_1", "local", SPEC)
        with pytest.raises(NoCapacity, match="CSP_SUPERVISOR_MAX_WORKERS"):
            await pool.runtime.create("sesn_2", "local", SPEC)
        await pool.runtime.delete("sesn_1")
        await pool.runtime.create("sesn_2", "local", SPEC)


async def test_a_worker_that_is_killed_is_known_within_a_second(cold: PoolOfWorkers) -> None:
    await cold.runtime.create("sesn_1", "local", SPEC)
    ref = await cold.runtime.wait_ready("sesn_1", 20)
    watching = await next_end(cold)
    killed_at = time.monotonic()
    os.kill(cold.pid_of(ref.worker_id), signal.SIGKILL)
    gone = await asyncio.wait_for(watching, 5)
    assert time.monotonic() - killed_at < 1.0
    assert (gone.worker_id, gone.session_id, gone.reason) == (ref.worker_id, "sesn_1", "killed")
    assert "SIGKILL" in gone.message
    assert await cold.runtime.endpoint("sesn_1") is None


async def test_a_deleted_worker_leaves_nothing_but_the_workspace(cold: PoolOfWorkers) -> None:
    await cold.runtime.create("sesn_1", "local", SPEC)
    ref = await cold.runtime.wait_ready("sesn_1", 20)
    workspace = cold.layout.workspaces / "sesn_1"
    workspace.mkdir(exist_ok=True)
    pid = cold.pid_of(ref.worker_id)
    home = cold.layout.workers / ref.worker_id
    assert home.stat().st_mode & 0o777 == 0o700
    watching = await next_end(cold)
    await cold.runtime.delete("sesn_1")
    assert (await asyncio.wait_for(watching, 5)).reason == "deleted"
    assert not psutil.pid_exists(pid)
    assert not home.exists()
    assert list(cold.layout.worker_sockets.iterdir()) == []
    assert workspace.exists()
    await cold.runtime.delete("sesn_1")
    await cold.runtime.purge("sesn_1")
    assert not workspace.exists()


async def test_a_used_worker_is_never_used_again(warm: PoolOfWorkers) -> None:
    await warm.runtime.create("sesn_1", "local", SPEC)
    first = await warm.runtime.wait_ready("sesn_1", 20)
    await warm.runtime.delete("sesn_1")
    await warm.runtime.create("sesn_1", "local", SPEC)
    second = await warm.runtime.wait_ready("sesn_1", 20)
    assert second.worker_id != first.worker_id


async def test_a_worker_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    (tmp_path / "behaviour").write_text("stubborn")
    settings = SupervisorSettings(warm=0, stop_deadline=0.5)
    async with pool_of_workers(tmp_path, settings=settings) as pool:
        await pool.runtime.create("sesn_1", "local", SPEC)
        ref = await pool.runtime.wait_ready("sesn_1", 20)
        pid = pool.pid_of(ref.worker_id)
        await pool.runtime.delete("sesn_1")
        assert not psutil.pid_exists(pid)


_LITTER = """
import asyncio, os, signal, sys
from pathlib import Path
from csp_controlplane.supervisor import tree
from csp_crds.agent import AgentSpec
from support.pool_of_workers import pool_of_workers
from support.waiting import wait_until

async def main():
    directory = Path(sys.argv[1])
    (directory / "behaviour").write_text("litters")
    async with pool_of_workers(directory, adopts=True) as pool:
        await pool.runtime.create("sesn_1", "local", AgentSpec())
        ref = await pool.runtime.wait_ready("sesn_1", 20)
        (litter,) = tree.descendants(pool.pid_of(ref.worker_id))
        assert litter.name() == "sleep", litter
        os.kill(pool.pid_of(ref.worker_id), signal.SIGKILL)
        await wait_until(lambda: not litter.is_running(), 5, "the litter being collected")

asyncio.run(main())
"""


def test_what_a_worker_left_in_a_session_of_its_own_ends_with_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LITTER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


async def test_the_api_refuses_what_it_does_not_understand(cold: PoolOfWorkers) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(cold.layout.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://supervisor") as http:
        bad = {"tenant": "local", "spec": {"nonsense": 1}}
        assert (await http.put("/v1/sessions/sesn_1", json=bad)).status_code == 400
        assert (await http.get("/v1/sessions/sesn_1")).status_code == 404
        for name in ("%2e%2e", "a.b", "a%20b", "x" * 200):
            path = f"/v1/sessions/{name}"
            assert (await http.delete(path, params={"purge": "1"})).status_code in (400, 404)
        assert cold.layout.workspaces.exists()
        assert (await http.get("/v1/sessions/sesn_1", params={"wait": "x"})).status_code == 400
    assert cold.layout.socket.stat().st_mode & 0o777 == 0o600


async def test_what_workers_say_is_in_one_log_with_their_names(cold: PoolOfWorkers) -> None:
    cold.switch.write_text("fails")
    await cold.runtime.create("sesn_1", "local", SPEC)
    with pytest.raises(NoCapacity):
        await cold.runtime.wait_ready("sesn_1", 20)
    lines = (cold.layout.logs / "workers.log").read_text().splitlines()
    (line,) = [json.loads(line) for line in lines if "told to fail" in line]
    assert line["worker_id"].startswith("wrkr_")
