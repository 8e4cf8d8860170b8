"""A subagent, and a structured result."""

from __future__ import annotations

import re
from textwrap import dedent

from csp_controlplane.scripted_model.answers import (
    Answer,
    Block,
    Message,
    Text,
    ToolCall,
    say,
    words,
)
from csp_controlplane.scripted_model.instances import instance
from csp_controlplane.scripted_model.topics.quoting import failed, fenced, topic_of, use
from csp_controlplane.scripted_model.turns import Turn

_REPORT = re.compile(r"The report follows:\n(?P<report>.*?)(?:\nagentId:|\Z)", re.DOTALL)
STRUCTURED = "StructuredOutput"
HELPER_TASK = "List files in the working directory and report what is there."


def subagent(turn: Turn) -> Answer:
    """Starts a helper and waits for it. The helper's own turn is asked to list files."""
    name = "Agent" if "Agent" in turn.tools or "Task" not in turn.tools else "Task"
    asked = turn.named(name)
    if not asked:
        told = {
            "description": "Look around in the workspace",
            "prompt": f"{HELPER_TASK} It is for: {topic_of(turn.prompt, 80)}",
            "subagent_type": "general-purpose",
            "run_in_background": False,
        }
        return use(turn, name, told, "I'll send a helper to look into this.")
    if asked[-1].is_error:
        return failed(asked[-1])
    return say(f"My helper is back and reports:\n\n> {_report(asked[-1].text)}")


def _report(text: str) -> str:
    """The helper's own words, as a quotation, without the frame that the CLI puts around them."""
    found = _REPORT.search(text)
    report = dedent(found["report"] if found else text).strip()
    return report.replace("\n", "\n> ")


def structured(turn: Turn) -> Answer:
    """Asked about structured results by an agent that has no schema."""
    return say(
        "A structured result needs a JSON Schema in the agent's definition (`output_schema`). "
        "With one, every answer of mine also carries a value that satisfies it."
    )


def with_structure(turn: Turn, answer: Answer) -> Answer:
    """Ends a turn with a structured result where the agent has a schema for it."""
    if STRUCTURED not in turn.tools or not isinstance(answer, Message):
        return answer
    given = turn.named(STRUCTURED)
    if given and not given[-1].is_error:
        return say("The structured result is ready.")
    if answer.reason() != "end_turn" or answer.ending != "complete":
        return answer
    if len(given) >= 2:
        return say(f"My value was refused:\n\n{fenced(given[-1].text)}")
    value = instance(turn.tools[STRUCTURED])
    blocks: tuple[Block, ...] = answer.blocks if not given else (Text(words("Once more: ")),)
    result = ToolCall(STRUCTURED, value if isinstance(value, dict) else {"value": value})
    return Message((*blocks, result), before_s=answer.before_s, word_s=answer.word_s)
