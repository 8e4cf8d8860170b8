"""What a definition says of a subagent holds in the real CLI; the policy decides for it, too."""

from __future__ import annotations

from support.worker_client import (
    ModelRequests,
    WorkerProcess,
    say,
    script,
    script64,
    spec,
    tool,
)
from worker.conftest import NewGateway

SURVEYOR = {
    "description": "Surveys.",
    "prompt": "You are the SURVEYOR.",
    "disallowed_tools": ["Write"],
    "model": "claude-opus-4-5",
    "max_turns": 2,
    "effort": "low",
}


async def test_a_subagent_has_what_its_definition_gives_it_and_asks_like_the_agent(
    worker: WorkerProcess, new_gateway: NewGateway, model_requests: ModelRequests
) -> None:
    gateway = new_gateway(worker)
    assert (await gateway.bind(spec(subagents={"surveyor": SURVEYOR}))).start == "warm"
    await gateway.attach()
    endless = script64(*(tool("Bash", command=f"touch {name}") for name in "abcd"), say("never"))
    start = tool("Agent", description="look", subagent_type="surveyor", prompt=endless)
    message = gateway.message(script(start, say("done")))
    for count in (1, 2):
        asked = await gateway.event("agent.tool_use", 1 + count)
        assert (asked["name"], asked["evaluated_permission"]) == ("Bash", "ask")
        gateway.confirm(asked)
    assert (await gateway.turn_end(message))["outcome"] == "completed"

    by_it = [r for r in await model_requests(gateway) if "SURVEYOR" in str(r["system"])]
    assert len(by_it) == SURVEYOR["max_turns"]
    assert "Write" not in by_it[0]["tools"] and "Bash" in by_it[0]["tools"]
    assert by_it[0]["output_config"]["effort"] == "low"
