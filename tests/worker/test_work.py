"""Tools, helpers and results: what the agent does, as events."""

from __future__ import annotations

import json
from typing import Any

from support.worker_client import Gateway, WorkerProcess, say, script, script64, spec, tool
from worker.conftest import NewGateway

FREE = spec(default_permission="allow", permissions={})
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


async def test_a_structured_result_stands_in_the_end_of_the_turn(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open(spec(output_schema=SCHEMA))
    end = await gateway.turn(script(tool("StructuredOutput", city="Ulm")))

    assert end["structured_output"] == {"city": "Ulm"}
    assert end["outcome"] == "completed"


async def test_an_edit_shows_its_patch(worker: WorkerProcess, new_gateway: NewGateway) -> None:
    gateway = await new_gateway(worker).open(FREE)
    await gateway.turn(
        script(
            tool("Write", file_path="a.txt", content="one\ntwo\n"),
            tool("Edit", file_path="a.txt", old_string="two", new_string="three"),
            say("done"),
        )
    )
    edited = gateway.log.of("agent.tool_result")[1]
    assert edited["details"]["patch"][0]["lines"][-2:] == ["-two", "+three"]


async def test_a_result_of_a_command_has_its_error_output(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open(FREE)
    await gateway.turn(script(tool("Bash", command="echo out; echo bad >&2; exit 3")))

    result = gateway.log.of("agent.tool_result")[0]
    text = json.dumps(result["content"])
    assert result["is_error"]
    assert "out" in text
    assert "bad" in text


async def test_the_to_do_list_is_a_whole_each_time(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open(FREE)

    def todo(status: str) -> dict[str, Any]:
        return tool(
            "TodoWrite", todos=[{"content": "dig", "status": status, "activeForm": "digging"}]
        )

    await gateway.turn(script(todo("in_progress"), todo("completed"), say("done")))

    assert [event["todos"] for event in gateway.log.of("agent.todos")] == [
        [{"content": "dig", "status": "in_progress", "active_form": "digging"}],
        [{"content": "dig", "status": "completed", "active_form": "digging"}],
    ]


async def test_events_of_a_subagent_name_the_call_that_started_it(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open(FREE)
    prompt = script64(tool("Bash", command="echo inner"), say("inner answer"))
    end = await gateway.turn(
        script(
            tool(
                "Agent",
                description="look",
                subagent_type="general-purpose",
                prompt=prompt,
                run_in_background=False,
            ),
            say("outer answer"),
        )
    )

    started = gateway.log.of("agent.tool_use")[0]
    thread = gateway.log.of("session.thread_created")[0]
    assert started["name"] == "Agent"
    assert thread["parent_tool_use_id"] == started["id"]
    inner = [e for e in gateway.log.events if e.get("parent_tool_use_id") == started["id"]]
    assert {"agent.tool_use", "agent.tool_result", "agent.message"} <= {e["type"] for e in inner}
    for event in inner:
        assert event["session_thread_id"] == thread["session_thread_id"]
    assert [e["status"] for e in gateway.log.of("agent.task")][-1] == "completed"
    assert gateway.log.text() == "outer answer"
    assert end["outcome"] == "completed"


async def test_a_subagents_question_is_asked_even_after_the_turn(gateway: Gateway) -> None:
    prompt = script64(tool("Bash", command="echo inner > f; cat f"), say("inner answer"))
    gateway.message(
        script(
            tool(
                "Agent",
                description="look",
                subagent_type="general-purpose",
                prompt=prompt,
                run_in_background=True,
            ),
            say("started"),
        )
    )
    await gateway.until(
        lambda: [u for u in gateway.log.of("agent.tool_use") if u["name"] == "Bash"],
        what="the question",
    )
    await gateway.event("span.turn_end")
    asked = next(u for u in gateway.log.of("agent.tool_use") if u["name"] == "Bash")
    gateway.confirm(asked)
    # What the helper found starts a turn that nobody asked for.
    await gateway.event("span.turn_end", 2)

    second = gateway.log.of("span.turn_start")[1]
    assert (second["origin"], second["message_ids"]) == ("task", [])
    assert gateway.log.of("span.turn_end")[1]["outcome"] == "completed"


async def test_a_background_command_reports_back(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open(FREE)
    await gateway.turn(
        script(
            tool("Bash", command="sleep 1; echo late", run_in_background=True, description="wait"),
            say("it runs"),
        )
    )
    use = gateway.log.of("agent.tool_use")[0]
    assert use["background"] is True
    await gateway.event("span.turn_end", 2)

    tasks = gateway.log.of("agent.task")
    assert [task["status"] for task in tasks] == ["started", "completed"]
    assert tasks[0]["tool_use_id"] == use["id"]
    assert tasks[0]["description"] == "wait"
    assert gateway.log.of("span.turn_start")[1]["origin"] == "task"


async def test_a_call_of_a_tool_that_does_not_exist_is_no_lasting_card(gateway: Gateway) -> None:
    await gateway.turn(script(tool("NoSuchTool", x=1), say("oh")))

    use = gateway.log.of("agent.tool_use")[0]
    result = gateway.log.of("agent.tool_result")[0]
    assert use["evaluated_permission"] == "deny"
    assert result["tool_use_id"] == use["id"]
    assert result["is_error"]


async def test_output_that_the_cli_cuts_is_whole_among_the_files(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open(spec(permissions={"Bash": "allow"}))
    await gateway.turn(script(tool("Bash", command="seq 1 20000"), say("counted")))

    result = gateway.log.of("agent.tool_result")[0]
    whole = result["details"]["whole_output"]
    files = worker.workspace_root / gateway.session_id
    numbers = (files / whole["path"]).read_text().split()
    assert numbers == [str(number) for number in range(1, 20_001)]
    assert whole["size_bytes"] == (files / whole["path"]).stat().st_size
    assert 0 < result["truncated_bytes"] < whole["size_bytes"]
    assert (files / ".csp" / ".gitignore").read_text() == "*\n"
