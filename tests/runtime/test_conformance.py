"""What every SessionRuntime promises, with real workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from conftest import ROOT
from csp_controlplane.runtime.protocol import (
    NoCapacity,
    RuntimeUnavailable,
    WorkerGone,
    WorkerRef,
)
from csp_crds.agent import AgentSpec, Limits
from support.apiserver import ApiServer
from support.definition import AGENT, SPARE, fields_that_do_not_arrive
from support.runtimes import RUNTIMES, RuntimeHarness, runtime_harness
from support.worker_client import Gateway, ModelRequests, WorkerProcess

pytestmark = pytest.mark.timeout(240)  # whole installations, maybe on a busy machine

if TYPE_CHECKING:
    from conftest import ScriptedModel

SPEC = AgentSpec()
OTHER = AgentSpec(limits=Limits(max_turns=5), tools=("Read",))
READY_S = 120


@pytest.fixture(scope="module")
def own_api_server(kubernetes_programs: None) -> Iterator[ApiServer]:
    """These tests stop it."""
    with ApiServer() as server:
        server.apply_crds(ROOT / "crds")
        yield server


@pytest.fixture(params=RUNTIMES)
async def harness(
    request: pytest.FixtureRequest, tmp_path: Path, scripted_model: ScriptedModel
) -> AsyncIterator[RuntimeHarness]:
    local = request.param == "local"
    server = None if local else request.getfixturevalue("own_api_server")
    url = scripted_model.base_url
    async with runtime_harness(request.param, tmp_path, url, server) as harness:
        yield harness


async def first_end(harness: RuntimeHarness, watchers: int = 1) -> asyncio.Task[WorkerGone]:
    async def first() -> WorkerGone:
        async for gone in harness.runtime.watch():
            return gone
        raise AssertionError("the watch ended")

    task = asyncio.create_task(first())
    await harness.watching(watchers)
    return task


async def test_a_worker_that_is_ready_serves_at_its_endpoint(harness: RuntimeHarness) -> None:
    await harness.runtime.create("sesn_1", "local", SPEC)
    ref = await harness.runtime.wait_ready("sesn_1", READY_S)
    async with grpc.aio.insecure_channel(ref.endpoint) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="csp.worker.v1.Worker")
        answer = await stub.Check(request, timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_every_call_may_be_repeated(harness: RuntimeHarness) -> None:
    await harness.runtime.create("sesn_1", "local", SPEC)
    await harness.runtime.create("sesn_1", "local", SPEC)
    ref = await harness.runtime.wait_ready("sesn_1", READY_S)
    assert await harness.runtime.wait_ready("sesn_1", READY_S) == ref
    assert await harness.runtime.endpoint("sesn_1") == ref
    await harness.runtime.create("sesn_1", "local", OTHER)
    assert await harness.runtime.endpoint("sesn_1") == ref
    await harness.runtime.delete("sesn_1")
    await harness.runtime.delete("sesn_1")
    assert await harness.runtime.endpoint("sesn_1") is None


async def test_sessions_share_no_worker(harness: RuntimeHarness) -> None:
    names = ("sesn_1", "sesn_2")
    await asyncio.gather(*(harness.runtime.create(name, "local", SPEC) for name in names))
    refs = await asyncio.gather(*(harness.runtime.wait_ready(name, READY_S) for name in names))
    assert len({ref.worker_id for ref in refs}) == 2
    assert len({ref.endpoint for ref in refs}) == 2


async def test_a_session_that_nobody_asked_for_has_no_worker(harness: RuntimeHarness) -> None:
    assert await harness.runtime.endpoint("sesn_unknown") is None
    await harness.runtime.delete("sesn_unknown")
    with pytest.raises(NoCapacity):
        await harness.runtime.wait_ready("sesn_unknown", 5)


async def test_a_warm_spare_is_handed_out_at_once_and_says_so(harness: RuntimeHarness) -> None:
    await harness.until_warm()
    await harness.runtime.create("sesn_1", "local", SPEC)
    assert (await harness.runtime.wait_ready("sesn_1", 5)).warm
    await harness.until_warm()


async def test_a_spare_of_another_kind_is_not_called_warm(harness: RuntimeHarness) -> None:
    await harness.until_warm()
    await harness.runtime.create("sesn_1", "local", OTHER)
    assert not (await harness.runtime.wait_ready("sesn_1", READY_S)).warm


async def test_a_worker_is_never_used_again(harness: RuntimeHarness) -> None:
    await harness.runtime.create("sesn_1", "local", SPEC)
    first = await harness.runtime.wait_ready("sesn_1", READY_S)
    await harness.runtime.delete("sesn_1")
    await harness.runtime.create("sesn_1", "local", SPEC)
    second = await harness.runtime.wait_ready("sesn_1", READY_S)
    assert second.worker_id != first.worker_id


async def test_files_outlive_a_worker_where_the_runtime_says_so_and_end_with_the_session(
    harness: RuntimeHarness,
) -> None:
    await harness.runtime.create("sesn_1", "local", SPEC)
    await harness.runtime.wait_ready("sesn_1", READY_S)
    assert not await harness.has_file("sesn_1")
    await harness.leave_file("sesn_1")
    assert await harness.has_file("sesn_1")
    await harness.runtime.delete("sesn_1")
    await harness.runtime.create("sesn_1", "local", SPEC)
    await harness.runtime.wait_ready("sesn_1", READY_S)
    assert await harness.has_file("sesn_1") == harness.runtime.keeps_files
    await harness.runtime.purge("sesn_1")
    await harness.runtime.purge("sesn_1")
    assert not await harness.has_file("sesn_1")
    assert await harness.runtime.endpoint("sesn_1") is None


async def test_a_death_is_told_to_every_watcher_within_a_second(harness: RuntimeHarness) -> None:
    await harness.runtime.create("sesn_1", "local", SPEC)
    ref = await harness.runtime.wait_ready("sesn_1", READY_S)
    watching = [await first_end(harness, count) for count in (1, 2)]
    await harness.kill(ref)
    for gone in await asyncio.wait_for(asyncio.gather(*watching), 1.0):
        assert (gone.worker_id, gone.session_id) == (ref.worker_id, "sesn_1")
        assert gone.reason in ("killed", "lost")
        assert gone.message
    left = await harness.runtime.endpoint("sesn_1")  # it may have been replaced by now
    assert left is None or left.worker_id != ref.worker_id


async def test_an_end_that_was_asked_for_is_told_as_such(harness: RuntimeHarness) -> None:
    await harness.runtime.create("sesn_1", "local", SPEC)
    await harness.runtime.wait_ready("sesn_1", READY_S)
    watching = await first_end(harness)
    await harness.runtime.delete("sesn_1")
    assert (await asyncio.wait_for(watching, 10)).reason == "deleted"


async def test_a_deadline_that_is_too_short_is_a_timeout(harness: RuntimeHarness) -> None:
    await harness.runtime.create("sesn_1", "local", SPEC)
    if await harness.runtime.endpoint("sesn_1") is None:
        with pytest.raises(TimeoutError):
            await harness.runtime.wait_ready("sesn_1", 0.01)
    await harness.runtime.wait_ready("sesn_1", READY_S)


async def test_a_runtime_that_is_away_says_so_and_workers_outlive_it(
    harness: RuntimeHarness,
) -> None:
    await harness.runtime.create("sesn_1", "local", SPEC)
    ref = await harness.runtime.wait_ready("sesn_1", READY_S)
    watching = await first_end(harness)
    await harness.go_away()
    with pytest.raises(RuntimeUnavailable):
        await harness.runtime.create("sesn_2", "local", SPEC)
    with pytest.raises(RuntimeUnavailable):
        await harness.runtime.endpoint("sesn_1")
    with pytest.raises(RuntimeUnavailable):
        await harness.runtime.delete("sesn_1")
    await harness.come_back()
    assert await harness.runtime.endpoint("sesn_1") == ref
    await harness.watching(1)
    await harness.kill(ref)
    assert (await asyncio.wait_for(watching, 30)).worker_id == ref.worker_id


async def test_a_worker_that_is_used_up_is_replaced_and_no_other(harness: RuntimeHarness) -> None:
    await harness.runtime.create("sesn_1", "local", SPEC)
    first = await harness.runtime.wait_ready("sesn_1", READY_S)
    await harness.runtime.discard("sesn_1", "somebody-else")
    assert await harness.runtime.endpoint("sesn_1") == first
    await harness.runtime.discard("sesn_1", first.worker_id)
    assert await harness.runtime.endpoint("sesn_1") is None
    await harness.runtime.create("sesn_1", "local", SPEC)
    second = await harness.runtime.wait_ready("sesn_1", READY_S)
    assert second.worker_id != first.worker_id


@pytest.mark.parametrize("start", ["warm", "cold"])
async def test_every_field_of_the_agent_reaches_the_cli(
    harness: RuntimeHarness, scripted_model: ScriptedModel, start: str
) -> None:
    agent, spare = AGENT, SPARE
    unset: set[str] = set()
    if start == "warm" and not harness.warms_mcp_servers:
        agent, spare = (one.model_copy(update={"mcp_servers": {}}) for one in (agent, spare))
        unset = {"mcp_servers"}
    if start == "warm":
        await harness.warm_up(spare)
    await harness.runtime.create("sesn_fields", "local", agent)
    ref = await harness.runtime.wait_ready("sesn_fields", READY_S)
    assert ref.warm == (start == "warm")
    gateway = Gateway(cast(WorkerProcess, _Remote(harness, ref)), session_id="sesn_fields")
    try:
        await gateway.open(agent)
        requests = ModelRequests(scripted_model.base_url)
        assert await fields_that_do_not_arrive(gateway, requests, harness.pid_of(ref)) == unset
    finally:
        await gateway.close()


class _Remote:
    """A worker of the runtime, as the test's gateway wants to see one."""

    def __init__(self, harness: RuntimeHarness, ref: WorkerRef) -> None:
        self._harness = harness
        self.worker_id = ref.worker_id
        self.endpoint = ref.endpoint
        self.signer = self
        self.process = self

    def token(self, worker_id: str, session_id: str, epoch: int) -> str:
        ((_, value),) = self._harness.sign(worker_id, session_id, epoch)
        return value.removeprefix("Bearer ")

    def tail(self, lines: int = 30) -> str:
        return ""
