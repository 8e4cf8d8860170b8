"""What needs a person's eye: a question, a plan to accept, a list of tasks, thinking aloud."""

from __future__ import annotations

import re

from csp_controlplane.scripted_model.answers import (
    Answer,
    Message,
    Text,
    Thinking,
    ToolCall,
    call,
    say,
    words,
)
from csp_controlplane.scripted_model.topics.quoting import failed, fenced, topic_of, use
from csp_controlplane.scripted_model.turns import Turn

_ANSWERED = re.compile(r'"(?P<question>[^"]+)"\s*=\s*"(?P<answer>[^"]*)"')
_STEPS = (
    ("Read the request", "Reading the request"),
    ("Do the work", "Doing the work"),
    ("Check the result", "Checking the result"),
)


def ask(turn: Turn) -> Answer:
    result = turn.last()
    if result is None:
        question = {
            "question": "Which colour should the example have?",
            "header": "Colour",
            "multiSelect": False,
            "options": [
                {"label": "Blue", "description": "Calm, and readable on white."},
                {"label": "Green", "description": "Friendly; the usual colour of success."},
                {"label": "Orange", "description": "Warm; use it sparingly."},
            ],
        }
        saying = "I have a question before I go on."
        return use(turn, "AskUserQuestion", {"questions": [question]}, saying)
    if result.is_error:
        return failed(result)
    answers = [found["answer"] for found in _ANSWERED.finditer(result.text)]
    if not answers:
        return say(f"Thank you. Your answer:\n\n{fenced(result.text)}")
    chosen = " and ".join(f"**{answer}**" for answer in answers)
    return say(f"Thank you: {chosen} it is. A real model would now go on with your choice.")


_PLAN = """# A page about the tides

**Context.** You asked for a plan before anything is done. In this mode I only read.

1. Look at what is in the working directory.
2. Write `tides.html` with a heading, a table of high and low water, and a few words on the moon.
3. Open it and check that it reads well on a narrow screen.

| File | What happens |
|---|---|
| `tides.html` | is made |

**Verification.** `ls -l tides.html` shows it, and the table has four rows a day.
"""


def propose(turn: Turn) -> Answer:
    """A plan that a person accepts or sends back; the CLI keeps it in a file of its own."""
    asked = turn.named("ExitPlanMode")
    if asked and asked[-1].is_error:
        return say(
            "I keep to planning, then. Tell me what should be different, and I'll change the plan."
        )
    if asked:
        return say(
            "Thank you: the plan is accepted, and I have left plan mode. A real model would now "
            "begin with its first step, and ask before it changes anything."
        )
    if turn.plan_file is None:
        return say(
            "I would make a plan and wait until you accept it, but this session is not in plan "
            "mode. Choose *Plan only* below the message box, and ask me again."
        )
    written = turn.named("Write")
    if written and written[-1].is_error:
        return failed(written[-1])
    if not written:
        plan = {"file_path": turn.plan_file, "content": _PLAN}
        return use(turn, "Write", plan, "I'll look around and write a plan. Nothing is changed.")
    return use(turn, "ExitPlanMode", {}, "This is what I would do. Shall I?")


def plan(turn: Turn) -> Answer:
    """A list of tasks that is worked off, with whichever tool this agent has for it."""
    if "TodoWrite" in turn.tools:
        return _todos(turn)
    if "TaskCreate" in turn.tools and "TaskUpdate" in turn.tools:
        return _tasks(turn)
    if {"TaskCreate", "TaskUpdate"} <= turn.deferred:
        return use(turn, "TaskCreate", {}, "", also="TaskUpdate")
    return use(turn, "TodoWrite", {}, "")


def _todos(turn: Turn) -> Answer:
    done = len(turn.named("TodoWrite"))
    if done > len(_STEPS):
        return say(_planned())
    todos = [
        {
            "content": content,
            "activeForm": active,
            "status": "completed" if i < done else "in_progress" if i == done else "pending",
        }
        for i, (content, active) in enumerate(_STEPS)
    ]
    saying = "I'll make a plan and work it off." if done == 0 else ""
    return call("TodoWrite", {"todos": todos}, saying=saying)


def _tasks(turn: Turn) -> Answer:
    made, updates = turn.named("TaskCreate"), turn.named("TaskUpdate")
    if not made:
        calls = [
            ToolCall("TaskCreate", {"subject": s, "description": s, "activeForm": a})
            for s, a in _STEPS
        ]
        return Message((Text(words("I'll make a plan and work it off.")), *calls))
    if made[-1].is_error:
        return failed(made[-1])
    # Each task is begun and ended: two updates for each.
    index, ending = divmod(len(updates), 2)
    if index >= len(made) or (updates and updates[-1].is_error):
        return say(_planned())
    number = re.search(r"#(\w+)", made[index].text)
    status = "completed" if ending else "in_progress"
    task = number[1] if number else str(index + 1)
    return call("TaskUpdate", {"taskId": task, "status": status})


def _planned() -> str:
    listed = "\n".join(f"- [x] {content}" for content, _ in _STEPS)
    return f"The plan is done:\n\n{listed}\n\nYou could watch the list change while I worked."


def think(turn: Turn) -> Answer:
    subject = topic_of(turn.prompt)
    thought = (
        f"The person wrote: {subject}. A scripted model does not reason, but this text is streamed "
        "exactly as real thinking is: in small pieces, before the answer, with a signature at its "
        "end. What would a careful person check first? What is known, what is missing, and what "
        "would prove the idea wrong. Then the shortest answer that is still true."
    )
    answer = "I have thought about it. My thinking is folded above: open it to see how I got here."
    if not turn.thinks:
        return say("Thinking is switched off for this agent, so I answer at once: " + answer)
    return Message((Thinking(words(thought)), Text(words(answer))))
