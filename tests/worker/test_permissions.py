"""Tool calls that a person is asked about, with the real CLI behind the policy."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from support.worker_client import Gateway, WorkerProcess, say, script, spec, tool
from worker.conftest import NewGateway, NewWorker

QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "multiSelect": False,
    "options": [
        {"label": "Red", "description": "like fire"},
        {"label": "Blue", "description": "like water"},
    ],
}


def workspace(gateway: Gateway) -> Path:
    return gateway.worker.workspace_root / gateway.session_id


async def test_a_command_is_asked_about_and_runs_when_allowed(gateway: Gateway) -> None:
    message = gateway.message(script(tool("Bash", command="echo real > out.txt; cat out.txt")))
    asked = await gateway.event("agent.tool_use")

    assert asked["evaluated_permission"] == "ask"
    assert asked["input"]["command"] == "echo real > out.txt; cat out.txt"
    assert asked["title"].startswith("Bash: echo real")
    assert not (workspace(gateway) / "out.txt").exists()

    gateway.confirm(asked)
    end = await gateway.turn_end(message)
    result = gateway.log.of("agent.tool_result")[0]
    assert end["outcome"] == "completed"
    assert result["tool_use_id"] == asked["id"]
    assert result["content"] == [{"type": "text", "text": "real"}]
    assert not result["is_error"]
    assert (workspace(gateway) / "out.txt").read_text() == "real\n"


async def test_a_refusal_reaches_the_model_with_its_reason(gateway: Gateway) -> None:
    message = gateway.message(script(tool("Bash", command="touch never"), say("understood")))
    gateway.confirm(await gateway.event("agent.tool_use"), "deny", deny_message="Not on a Friday.")
    end = await gateway.turn_end(message)

    result = gateway.log.of("agent.tool_result")[0]
    assert result["is_error"]
    assert "Not on a Friday." in json.dumps(result["content"])
    assert end["outcome"] == "completed"
    assert not (workspace(gateway) / "never").exists()


async def test_allow_for_the_session_asks_no_second_time(gateway: Gateway) -> None:
    message = gateway.message(
        script(tool("Bash", command="touch a"), tool("Bash", command="touch b"), say("both"))
    )
    asked = await gateway.event("agent.tool_use")
    assert asked["suggested_rule"] == "Bash(touch:*)"
    gateway.confirm(asked, scope="session")
    await gateway.turn_end(message)

    second = gateway.log.of("agent.tool_use")[1]
    assert second["evaluated_permission"] == "allow"
    assert (workspace(gateway) / "b").exists()

    gateway.message(script(tool("Bash", command="touch c; rm a")))
    third = await gateway.event("agent.tool_use", 3)
    assert third["evaluated_permission"] == "ask"


async def test_rules_allowed_in_an_earlier_epoch_hold(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open(allowed_rules=["Bash(touch:*)"])
    await gateway.turn(script(tool("Bash", command="touch kept")))

    assert (workspace(gateway) / "kept").exists()


async def test_a_person_can_edit_the_input(gateway: Gateway) -> None:
    message = gateway.message(script(tool("Bash", command="echo model")))
    gateway.confirm(await gateway.event("agent.tool_use"), updated_input={"command": "echo person"})
    await gateway.turn_end(message)

    assert gateway.log.of("agent.tool_result")[0]["content"][0]["text"] == "person"


async def test_an_edit_cannot_lift_a_refusal_of_the_definition(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    agent = spec(permissions={"Bash(rm:*)": "deny"})
    gateway = await new_gateway(worker).open(agent)
    message = gateway.message(script(tool("Bash", command="echo fine")))
    gateway.confirm(
        await gateway.event("agent.tool_use"), updated_input={"command": "rm -rf everything"}
    )
    await gateway.turn_end(message)

    result = gateway.log.of("agent.tool_result")[0]
    assert result["is_error"]
    assert "not allowed" in json.dumps(result["content"])


async def test_a_question_is_answered_by_a_person(gateway: Gateway) -> None:
    message = gateway.message(script(tool("AskUserQuestion", questions=[QUESTION]), say("noted")))
    asked = await gateway.event("agent.tool_use")
    assert asked["name"] == "AskUserQuestion"
    assert asked["input"]["questions"][0]["question"] == "Which colour?"
    gateway.confirm(asked, answers={"Which colour?": "Blue"})
    await gateway.turn_end(message)

    assert '"Which colour?"="Blue"' in gateway.log.of("agent.tool_result")[0]["content"][0]["text"]


async def test_a_denied_tool_does_not_run_and_nobody_is_asked(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open(
        spec(permissions={"Bash": "deny"}, default_permission="allow")
    )
    await gateway.turn(script(tool("Bash", command="touch never"), say("no")))

    use = gateway.log.of("agent.tool_use")[0]
    assert use["evaluated_permission"] == "deny"
    assert gateway.log.of("agent.tool_result")[0]["is_error"]
    assert not (workspace(gateway) / "never").exists()


@pytest.mark.parametrize("mode", ["dontAsk", "plan"])
async def test_modes_that_never_ask_refuse(
    worker: WorkerProcess, new_gateway: NewGateway, mode: str
) -> None:
    gateway = await new_gateway(worker).open(spec(permission_mode=mode))
    await gateway.turn(script(tool("Bash", command="touch never"), say("no")))

    assert gateway.log.of("agent.tool_use")[0]["evaluated_permission"] == "deny"
    assert not (workspace(gateway) / "never").exists()


async def test_bypass_asks_nothing_but_obeys_refusals(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    agent = spec(permission_mode="bypassPermissions", permissions={"Bash(rm:*)": "deny"})
    gateway = await new_gateway(worker).open(agent)
    await gateway.turn(
        script(
            tool("Bash", command="touch kept"),
            tool("Bash", command="rm kept"),
            tool("Bash", command="true && /bin/rm kept"),
            say("done"),
        )
    )

    decided = [use["evaluated_permission"] for use in gateway.log.of("agent.tool_use")]
    assert decided == ["allow", "deny", "deny"]
    assert (workspace(gateway) / "kept").exists()


async def test_switching_to_bypass_is_no_bypass_unless_the_definition_has_it(
    gateway: Gateway,
) -> None:
    gateway.send("session.updated", permission_mode="bypassPermissions")
    gateway.message(script(tool("Bash", command="touch never")))
    asked = await gateway.event("agent.tool_use")

    assert asked["evaluated_permission"] == "ask"


async def test_a_call_that_the_log_does_not_take_is_refused(
    new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    worker = new_worker(environment={"CSP_WORKER_HOOK_ACK_SECONDS": "1"})
    await worker.ready()
    gateway = await new_gateway(worker, acks=False).open(
        spec(default_permission="allow", permissions={})
    )
    gateway.message(script(tool("Bash", command="touch never"), say("no")))
    await gateway.until(lambda: any(f.HasField("facts") for f in gateway.frames))
    gateway.commit(next(f.facts for f in gateway.frames if f.HasField("facts")))

    def result_came() -> bool:
        return any(
            fact.type == "agent.tool_result" for f in gateway.frames for fact in f.facts.facts
        )

    await gateway.until(result_came, what="the refusal")
    assert not (workspace(gateway) / "never").exists()


async def test_an_approval_waits_as_long_as_it_takes_and_ends_with_an_interrupt(
    gateway: Gateway,
) -> None:
    message = gateway.message(script(tool("Bash", command="touch never")))
    asked = await gateway.event("agent.tool_use")
    gateway.send("user.interrupt", user_id="user_test")
    end = await gateway.turn_end(message, 10)
    gateway.confirm(asked)
    await asyncio.wait_for(gateway.turn(script(say("next"))), 20)

    assert end["outcome"] == "interrupted"
    assert not (workspace(gateway) / "never").exists()
