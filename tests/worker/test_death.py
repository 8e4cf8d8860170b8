"""Processes that die, hang or grow: what the log says, what goes on, and that nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import psutil

from support.processes import processes_of
from support.waiting import wait_until
from support.worker_client import Gateway, WorkerProcess, say, script, spec, tool
from worker.conftest import NewGateway, NewWorker

FREE = spec(default_permission="allow", permissions={})


def cli_of(worker: WorkerProcess) -> psutil.Process:
    """The CLI itself, below its guard."""
    found = [p for p in psutil.Process(worker.process.pid).children(True) if p.name() == "claude"]
    assert len(found) == 1, found
    return found[0]


async def test_a_cli_killed_in_mid_answer_is_seen_at_once_and_resumed(gateway: Gateway) -> None:
    await gateway.turn(script(say("remember this")))
    message = gateway.message(script(say("half an answer ", n=100, chunk_delay=0.05)))
    await gateway.until(lambda: len(gateway.previews) > 8, what="previews")
    killed_at = time.monotonic()
    cli_of(gateway.worker).kill()
    end = await gateway.turn_end(message, 5)

    assert time.monotonic() - killed_at < 2
    assert (end["outcome"], end["reason"]) == ("interrupted", "cli_died")
    assert end["partial"][0]["text"].startswith("half an answer")
    withdrawn = [p.event_id for p in gateway.previews if p.kind == p.WITHDRAWN]
    assert end["partial"][0]["event_id"] in withdrawn
    assert gateway.log.of("span.model_request_end")[-1]["is_error"]
    notice = await gateway.event("session.notice")
    assert notice["code"] == "cli_restarted"

    after = await gateway.turn(script(say("still here")))
    assert after["outcome"] == "completed"


async def test_the_conversation_survives_the_death_of_the_cli(
    gateway: Gateway, model_requests: object
) -> None:
    await gateway.turn("My name is Ada. " + script(say("noted")))
    cli_of(gateway.worker).kill()
    await gateway.event("session.notice")
    await gateway.turn("What is my name? " + script(say("Ada")))

    messages = (await model_requests(gateway))[-1]["messages"]  # type: ignore[operator]
    assert "My name is Ada." in str(messages)


async def test_a_call_cut_off_by_the_death_of_the_cli_gets_a_result(gateway: Gateway) -> None:
    message = gateway.message(
        script(tool("Bash", command="python3 -c 'import time; time.sleep(98765.2)'"), say("never"))
    )
    asked = await gateway.event("agent.tool_use")
    gateway.confirm(asked)
    await wait_until(lambda: processes_of("98765.2"), what="the command runs")
    cli_of(gateway.worker).kill()
    end = await gateway.turn_end(message)

    result = gateway.log.of("agent.tool_result")[0]
    assert (result["tool_use_id"], result["is_error"]) == (asked["id"], True)
    assert "unknown" in result["content"][0]["text"]
    assert end["reason"] == "cli_died"
    await wait_until(lambda: not processes_of("98765.2"), what="the command is gone")


async def test_a_question_open_at_the_death_of_the_cli_is_closed(gateway: Gateway) -> None:
    gateway.message(script(tool("Bash", command="touch never"), say("never")))
    asked = await gateway.event("agent.tool_use")
    cli_of(gateway.worker).kill()
    result = await gateway.event("agent.tool_result")
    gateway.confirm(asked)
    after = await gateway.turn(script(say("on")))

    assert result["tool_use_id"] == asked["id"]
    assert after["outcome"] == "completed"
    assert not (gateway.worker.workspace_root / gateway.session_id / "never").exists()


async def test_a_killed_guard_leaves_nothing_behind(gateway: Gateway) -> None:
    message = gateway.message(script(tool("Bash", command="setsid sleep 98765.3"), say("never")))
    gateway.confirm(await gateway.event("agent.tool_use"))
    await wait_until(lambda: processes_of("98765.3"), what="the command runs")
    guard = cli_of(gateway.worker).parent()
    assert guard is not None
    guard.kill()
    end = await gateway.turn_end(message)

    assert end["reason"] == "cli_died"
    await wait_until(lambda: not processes_of("98765.3"), what="the command is gone")
    assert (await gateway.turn(script(say("on"))))["outcome"] == "completed"


async def test_nothing_survives_the_workers_sigkill(gateway: Gateway) -> None:
    gateway.message(
        script(tool("Bash", command="(setsid nohup sleep 98765.4 &) ; sleep 98765.4"), say("x"))
    )
    gateway.confirm(await gateway.event("agent.tool_use"))
    await wait_until(lambda: len(processes_of("98765.4")) >= 2, what="the commands run")
    cli = cli_of(gateway.worker)
    gateway.worker.process.kill()

    await wait_until(lambda: not processes_of("98765.4"), what="the commands are gone")
    await wait_until(lambda: not cli.is_running(), what="the CLI is gone")
    await wait_until(lambda: not processes_of(gateway.worker.directory), what="everything is gone")


async def test_nothing_survives_a_workers_orderly_end(gateway: Gateway) -> None:
    message = gateway.message(script(tool("Bash", command="setsid sleep 98765.5"), say("never")))
    gateway.confirm(await gateway.event("agent.tool_use"))
    await wait_until(lambda: processes_of("98765.5"), what="the command runs")
    gateway.worker.process.signal(signal.SIGTERM)
    end = await gateway.turn_end(message)
    await gateway.until(lambda: gateway.ended, what="the end of the stream")

    assert (end["outcome"], end["reason"]) == ("interrupted", "shutdown")
    endings = [frame.ending for frame in gateway.frames if frame.HasField("ending")]
    assert endings[0].reason == "shutdown"
    await wait_until(lambda: not gateway.worker.process.running, what="the worker ends")
    assert gateway.worker.process.returncode == 0
    assert not processes_of("98765.5")
    assert not processes_of(gateway.worker.directory)


async def test_a_new_worker_resumes_from_the_log_after_sigkill(
    worker: WorkerProcess, new_worker: NewWorker, new_gateway: NewGateway, model_requests: object
) -> None:
    gateway = await new_gateway(worker).open()
    await gateway.turn("My name is Ada. " + script(say("noted")))
    worker.process.kill()

    second = new_worker(workspace_root=worker.workspace_root)
    await second.ready()
    next_gateway = new_gateway(second, gateway.log, session_id=gateway.session_id, epoch=2)
    answer = await next_gateway.bind(input_cursor=gateway.log.last_seq)
    await next_gateway.attach()
    end = await next_gateway.turn("What is my name? " + script(say("Ada")))

    assert answer.start == "cold"
    assert end["outcome"] == "completed"
    messages = (await model_requests(next_gateway))[-1]["messages"]  # type: ignore[operator]
    assert "My name is Ada." in str(messages)


async def test_a_transcript_is_not_mirrored_twice_after_a_resume(
    worker: WorkerProcess, new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open()
    await gateway.turn(script(say("noted")))
    before = len(gateway.log.transcript)
    worker.process.kill()
    second = new_worker(workspace_root=worker.workspace_root)
    await second.ready()
    next_gateway = await new_gateway(
        second, gateway.log, session_id=gateway.session_id, epoch=2
    ).open(input_cursor=gateway.log.last_seq)
    await next_gateway.turn(script(say("again")))

    new = gateway.log.transcript[before:]
    assert before > 0
    assert new
    # Lines about the state of the CLI have no id of their own and may be written again.
    old = {line for _, line in gateway.log.transcript[:before] if b'"uuid"' in line}
    assert not old & {line for _, line in new}


async def test_too_much_memory_is_said_and_the_session_goes_on(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    agent = spec(default_permission="allow", permissions={}, limits={"rss_bytes": 700 * 1024**2})
    gateway = await new_gateway(worker).open(agent)
    hog = "python3 -c 'x = bytearray(900*1024*1024); import time; time.sleep(98765)'"
    message = gateway.message(script(tool("Bash", command=hog), say("never")))
    end = await gateway.turn_end(message, 30)

    codes = [notice["code"] for notice in gateway.log.of("session.notice")]
    assert codes[0] == "memory_limit"
    assert "700 MB" in gateway.log.of("session.notice")[0]["message"]
    assert (end["outcome"], end["reason"]) == ("interrupted", "memory_limit")
    assert (await gateway.turn(script(say("on"))))["outcome"] == "completed"


async def test_a_turn_ends_at_its_time_limit(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    agent = spec(default_permission="allow", permissions={}, limits={"turn_seconds": 2})
    gateway = await new_gateway(worker).open(agent)
    message = gateway.message(
        script(tool("Bash", command="python3 -c 'import time; time.sleep(98765.6)'"), say("never"))
    )
    end = await gateway.turn_end(message, 15)

    assert (end["outcome"], end["reason"]) == ("interrupted", "turn_time_limit")
    assert gateway.log.of("session.notice")[0]["code"] == "turn_time_limit"
    assert (await gateway.turn(script(say("on"))))["outcome"] == "completed"


async def test_a_cli_that_does_not_react_is_ended_by_force(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open(FREE)
    message = gateway.message(script(say("on and on ", n=1000, chunk_delay=0.05)))
    await gateway.until(lambda: len(gateway.previews) > 3, what="previews")
    cli_of(worker).send_signal(signal.SIGSTOP)
    gateway.send("user.interrupt", user_id="user_test")
    end = await gateway.turn_end(message, 40)

    assert (end["outcome"], end["reason"]) == ("interrupted", "user_interrupt")
    assert (await gateway.turn(script(say("on"))))["outcome"] == "completed"


def test_the_cli_and_its_guard_are_closed_to_their_own_user(worker_as_nobody: int) -> None:
    """The guard starts a program that reads nothing; a process of the same user looks at both."""
    user = 65534 if os.geteuid() == 0 else None
    for process in [psutil.Process(worker_as_nobody), *psutil.Process(worker_as_nobody).children()]:
        looked = subprocess.run(
            ["cat", f"/proc/{process.pid}/environ"], user=user, group=user, capture_output=True,
            check=False,
        )  # fmt: skip
        assert looked.returncode != 0
        assert b"Permission denied" in looked.stderr


async def test_a_cli_that_keeps_crashing_is_given_up_for_a_while(gateway: Gateway) -> None:
    for count in range(1, 6):
        assert (await gateway.turn(script(say("well"))))["outcome"] == "completed"
        cli_of(gateway.worker).kill()
        await gateway.event("session.notice", count)
    end = await gateway.turn(script(say("never")))

    assert (end["outcome"], end["reason"]) == ("error", "cli_failed")
    assert "keeps crashing" in end["error"]["message"]
