"""Tying a worker to a session: warm, restarted or cold, once, and only for the control plane."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from csp_proto import worker_pb2 as pb
from csp_worker.process import bundled_cli
from support.waiting import wait_until
from support.worker_client import Gateway, Signer, WorkerProcess, say, script, spec
from worker.conftest import NewGateway, NewWorker


async def test_a_spare_of_the_right_profile_is_claimed(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = new_gateway(worker)
    answer = await gateway.bind()

    assert answer.start == "warm"
    assert answer.worker_id == worker.worker_id
    assert answer.claude_session_id
    assert answer.cli_version


async def test_another_profile_restarts_the_cli_in_the_same_worker(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = new_gateway(worker)
    answer = await gateway.bind(spec(tools=("Read",)))
    await gateway.attach()
    end = await gateway.turn(script(say("hello")))

    assert answer.start == "warm_partial"
    assert end["outcome"] == "completed"


async def test_without_a_spare_the_cli_starts_cold(
    new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    worker = new_worker(environment={"CSP_WORKER_PREWARM": "false"})
    await worker.ready()
    gateway = new_gateway(worker)
    answer = await gateway.bind()
    await gateway.attach()
    end = await gateway.turn(script(say("hello")))

    assert answer.start == "cold"
    assert end["outcome"] == "completed"


async def test_the_same_bind_again_is_the_same_bind(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = new_gateway(worker)
    first = await gateway.bind()
    second = await gateway.bind()

    assert second.start == "bound"
    assert second.claude_session_id == first.claude_session_id


@pytest.mark.parametrize("epoch", [0, 2])
async def test_another_epoch_is_refused(
    worker: WorkerProcess, new_gateway: NewGateway, epoch: int
) -> None:
    gateway = new_gateway(worker)
    await gateway.bind()
    other = new_gateway(worker, session_id=gateway.session_id, epoch=epoch)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await other.bind()
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION


async def test_another_session_is_refused_for_the_workers_whole_life(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    await new_gateway(worker).bind()
    other = new_gateway(worker)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await other.bind()
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await other.stub.ListFiles(pb.ListFilesRequest(), metadata=other.metadata())
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_a_session_id_cannot_name_another_directory(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = new_gateway(worker, session_id="../elsewhere")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await gateway.bind()
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_nothing_is_served_before_bind(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = new_gateway(worker)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await gateway.stub.ListFiles(pb.ListFilesRequest(), metadata=gateway.metadata())
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION


async def refused_code(gateway: Gateway, metadata: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await gateway.stub.Bind(gateway.bind_request(), metadata=metadata)
    code: grpc.StatusCode = refused.value.code()
    return code


async def test_calls_without_a_good_token_are_refused(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = new_gateway(worker)
    now = int(time.time())
    bad: dict[str, Any] = {
        "none": None,
        "expired": gateway.metadata(iat=now - 120, exp=now - 60),
        "long": gateway.metadata(exp=now + 3600),
        "future": gateway.metadata(iat=now + 3600, exp=now + 3630),
        "audience": gateway.metadata(aud="wrkr_other"),
        "issuer": gateway.metadata(iss="somebody"),
        "session": gateway.metadata(sid="sesn_other"),
        "epoch": gateway.metadata(epoch=7),
        "garbage": (("authorization", "Bearer abc"),),
        "scheme": (("authorization", gateway.metadata()[0][1].replace("Bearer", "Basic")),),
    }
    forger = Signer(worker.directory / "forged.json")
    bad["forged"] = (
        (
            "authorization",
            f"Bearer {forger.token(worker.worker_id, gateway.session_id, gateway.epoch)}",
        ),
    )
    for what, metadata in bad.items():
        assert await refused_code(gateway, metadata) == grpc.StatusCode.UNAUTHENTICATED, what
    assert (await gateway.bind()).start == "warm"


async def test_a_token_is_accepted_once(worker: WorkerProcess, new_gateway: NewGateway) -> None:
    gateway = new_gateway(worker)
    metadata = gateway.metadata()
    await gateway.stub.Bind(gateway.bind_request(), metadata=metadata)

    assert await refused_code(gateway, metadata) == grpc.StatusCode.UNAUTHENTICATED


async def test_keys_rotate_under_a_warm_worker(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    worker.signer.kid = "rotated"
    worker.signer.key = Ed25519PrivateKey.generate()
    gateway = new_gateway(worker)
    assert await refused_code(gateway, gateway.metadata()) == grpc.StatusCode.UNAUTHENTICATED

    worker.signer = Signer(worker.directory / "jwks.json", "rotated")
    assert (await gateway.bind()).start == "warm"


async def test_a_cli_that_is_missing_is_told_in_plain_words(
    new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    worker = new_worker(environment={"CSP_WORKER_CLI_PATH": "/nowhere/claude"})
    await worker.ready()
    gateway = await new_gateway(worker).open()
    end = await gateway.turn(script(say("never")))

    error = gateway.log.of("session.error")[0]["error"]
    assert error["type"] == "cli_failed"
    assert "missing" in error["message"]
    assert "/nowhere" not in error["message"]
    assert (end["outcome"], end["reason"]) == ("error", "cli_failed")


async def test_a_cli_that_does_not_start_is_told_in_plain_words(
    new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    worker = new_worker(environment={"CSP_WORKER_CLI_PATH": "/bin/false"})
    await worker.ready()
    gateway = await new_gateway(worker).open()
    end = await gateway.turn(script(say("never")))

    assert "could not be started" in end["error"]["message"]


async def test_what_the_cli_says_on_stderr_is_logged_with_its_session(
    new_worker: NewWorker, new_gateway: NewGateway, tmp_path: Path
) -> None:
    noisy = tmp_path / "claude"
    told = tmp_path / "told"
    noisy.write_text(
        f'#!/bin/sh\n(until [ -e {told} ]; do sleep 0.1; done; echo "from the depths" >&2) &\n'
        f'exec {bundled_cli()} "$@"\n'
    )
    noisy.chmod(0o755)
    worker = new_worker(environment={"CSP_WORKER_CLI_PATH": str(noisy)})
    await worker.ready()
    gateway = await new_gateway(worker).open(traceparent="00-abc-def-01")
    told.touch()

    def logged() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
        return [line for line in lines if line.get("line") == "from the depths"]

    (line,) = await wait_until(logged, 30, what="the line in the log")
    assert line["session_id"] == gateway.session_id
    assert line["worker_id"] == worker.worker_id
    assert line["traceparent"] == "00-abc-def-01"


async def test_a_session_whose_files_are_gone_is_told(
    worker: WorkerProcess, new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open()
    await gateway.turn(script(say("noted")))
    elsewhere = new_worker()
    await elsewhere.ready()
    next_gateway = await new_gateway(
        elsewhere, gateway.log, session_id=gateway.session_id, epoch=2
    ).open(input_cursor=gateway.log.last_seq)
    end = await next_gateway.turn(script(say("again")))

    assert gateway.log.of("session.notice")[0]["code"] == "workspace_lost"
    assert end["outcome"] == "completed"
