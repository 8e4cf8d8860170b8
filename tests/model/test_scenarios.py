"""Every scenario of the conversational script, as pure turns."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from csp_controlplane.scripted_model.answers import Failure, Message, Text, Thinking, ToolCall
from csp_controlplane.scripted_model.choose import Chooser
from csp_controlplane.scripted_model.settings import ScriptedSettings
from csp_controlplane.scripted_model.turns import read_turn

TOOLS = ("Bash", "Read", "Write", "Edit", "Grep", "Agent", "AskUserQuestion", "TodoWrite")
_ids = itertools.count()


class Conversation:
    """One turn of a worker, as the CLI would send it to the model."""

    def __init__(self, prompt: str, *tools: str, **fields: Any) -> None:
        self.chooser = Chooser(ScriptedSettings(slow_seconds=0, stall_seconds=0))
        self.fields = fields
        self.tools = [{"name": name, "input_schema": {}} for name in (tools or TOOLS)]
        self.messages: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
        self.session = f"session {next(_ids)}"

    def step(self) -> Message:
        answer = self.chooser.answer(read_turn(self.body(), self.session))
        assert isinstance(answer, Message)
        return answer

    def body(self) -> dict[str, Any]:
        return {"messages": self.messages, "tools": self.tools, **self.fields}

    def give(self, answer: Message, result: str, *, is_error: bool = False) -> None:
        """What the tool calls of the answer gave."""
        uses = [
            {"type": "tool_use", "id": str(next(_ids)), "name": b.name, "input": dict(b.input)}
            for b in answer.blocks
            if isinstance(b, ToolCall)
        ]
        results = [
            {
                "type": "tool_result",
                "tool_use_id": use["id"],
                "content": [{"type": "text", "text": result}],
                "is_error": is_error,
            }
            for use in uses
        ]
        self.messages += [
            {"role": "assistant", "content": uses},
            {"role": "user", "content": results},
        ]

    def until_the_end(self, result: str) -> list[Message]:
        """All answers of the turn, every tool giving the same result."""
        answers = [self.step()]
        while called(answers[-1]):
            assert len(answers) < 20
            self.give(answers[-1], result)
            answers.append(self.step())
        return answers


def called(answer: Message) -> list[ToolCall]:
    return [block for block in answer.blocks if isinstance(block, ToolCall)]


def said(answer: Message) -> str:
    return "".join(block.whole() for block in answer.blocks if isinstance(block, Text))


@pytest.mark.parametrize(
    ("prompt", "tools", "expected"),
    [
        ("list files", ["Bash"], "the real result"),
        ("Please run `echo hi`", ["Bash"], "the real result"),
        ("run: make test", ["Bash"], "the real result"),
        ("create hello.py", ["Write", "Bash"], "the real result"),
        ("write a file", ["Write", "Bash"], "the real result"),
        ("write a file notes.md", ["Write", "Read"], "the real result"),
        ("read notes.md", ["Read"], "the real result"),
        ("search for bananas", ["Grep"], "the real result"),
        ("ask me something", ["AskUserQuestion"], "the real result"),
        ("make a plan", ["TodoWrite"] * 4, "The plan is done"),
        ("research this with a subagent", ["Agent"], "the real result"),
        ("run something in the background", ["Bash"], "background"),
    ],
)
def test_tools_are_called_in_order_and_their_result_is_shown(
    prompt: str, tools: list[str], expected: str
) -> None:
    answers = Conversation(prompt).until_the_end("the real result")
    assert [block.name for answer in answers for block in called(answer)] == tools
    assert expected in said(answers[-1])


@pytest.mark.parametrize(
    ("prompt", "command"),
    [
        ("run: ls -l | wc -l", "ls -l | wc -l"),
        ("Run the command `git status`, please", "git status"),
        ("please execute uname", "uname"),
        ("list files", "ls -la"),
        ("run in the background: sleep 5", "sleep 5"),
    ],
)
def test_command_is_the_one_that_was_asked_for(prompt: str, command: str) -> None:
    (call,) = called(Conversation(prompt).step())
    assert call.input["command"] == command


def test_background_work_is_started_in_the_background() -> None:
    (call,) = called(Conversation("do something in the background").step())
    assert call.input["run_in_background"] is True


def test_file_is_written_into_the_working_directory() -> None:
    system = "# Environment\n - Primary working directory: /somewhere/else\n"
    (call,) = called(Conversation("create a/hello.py", system=system).step())
    assert call.input["file_path"] == "/somewhere/else/a/hello.py"


@pytest.mark.parametrize("name", ["../../etc/passwd.txt", "/etc/cron.d/x.sh"])
def test_path_never_leaves_the_working_directory(name: str) -> None:
    system = "Primary working directory: /srv/space\n"
    (call,) = called(Conversation(f"create the file {name}", system=system).step())
    path = call.input["file_path"]
    assert path.startswith("/srv/space/")
    assert ".." not in path


def test_edit_changes_a_line_that_is_there() -> None:
    conversation = Conversation("edit notes.md")
    first = conversation.step()
    conversation.give(first, "     1→# Title\n     2→Hello world\n     3→the end\n     4→the end")
    (call,) = called(conversation.step())
    assert call.name == "Edit"
    assert call.input["old_string"] == "Hello world"
    assert call.input["new_string"] == "Hello again world"


def test_edit_of_a_missing_file_writes_it_first() -> None:
    conversation = Conversation("edit missing.md")
    first = conversation.step()
    conversation.give(first, "File does not exist.", is_error=True)
    second = conversation.step()
    assert [call.name for call in called(second)] == ["Write"]
    conversation.give(second, "File created")
    (call,) = called(conversation.step())
    assert call.name == "Edit"
    assert call.input["old_string"] in called(second)[0].input["content"]


@pytest.mark.parametrize("prompt", ["list files", "create hello.py", "ask me", "use a subagent"])
def test_refused_tool_ends_the_turn_politely(prompt: str) -> None:
    conversation = Conversation(prompt)
    conversation.give(conversation.step(), "The user said no.", is_error=True)
    answer = conversation.step()
    assert not called(answer)
    assert "did not succeed" in said(answer)
    assert "The user said no." in said(answer)


def test_missing_tool_is_named() -> None:
    answer = Conversation("list files", "Read").step()
    assert not called(answer)
    assert "`Bash`" in said(answer)
    assert "`Read`" in said(answer)


def test_answer_to_a_question_is_reflected() -> None:
    conversation = Conversation("ask me")
    conversation.give(conversation.step(), 'answered: "Which colour?"="Green". Go on.')
    assert "**Green**" in said(conversation.step())


def test_a_plan_is_proposed_in_plan_mode_only() -> None:
    elsewhere = Conversation("plan first", "Write", "ExitPlanMode")
    assert "not in plan mode" in said(elsewhere.step())

    told = "Plan mode is active. Create your plan at /c/plans/calm-sea.md using the Write tool."
    reminder = f"<system-reminder>\n{told}\n</system-reminder>"
    conversation = Conversation(f"{reminder}plan first", "Write", "ExitPlanMode")
    answers = conversation.until_the_end("done")
    assert [block.name for answer in answers for block in called(answer)] == [
        "Write", "ExitPlanMode",
    ]  # fmt: skip
    assert called(answers[0])[0].input["file_path"] == "/c/plans/calm-sea.md"
    assert "accepted" in said(answers[-1])


def test_a_plan_that_is_sent_back_is_not_carried_out() -> None:
    reminder = "<system-reminder>Plan mode is active: /c/plans/a.md</system-reminder>"
    conversation = Conversation(f"{reminder}plan first", "Write", "ExitPlanMode")
    conversation.give(conversation.step(), "written")
    conversation.give(conversation.step(), "no", is_error=True)
    assert "keep to planning" in said(conversation.step())


def test_plan_uses_tasks_where_there_is_no_todo_list() -> None:
    conversation = Conversation("make a plan", "TaskCreate", "TaskUpdate")
    answers = [conversation.step()]
    numbers = itertools.count(1)
    while called(answers[-1]):
        conversation.give(answers[-1], f"Task #{next(numbers)} created")
        answers.append(conversation.step())
    names = [call.name for answer in answers for call in called(answer)]
    assert names == ["TaskCreate"] * 3 + ["TaskUpdate"] * 6
    assert "The plan is done" in said(answers[-1])


def test_deferred_tools_are_looked_up_first() -> None:
    system = (
        "The following deferred tools are now available via ToolSearch. Look:\n"
        "TaskCreate\nTaskUpdate\n\nAnd so on."
    )
    (call,) = called(Conversation("make a plan", "ToolSearch", system=system).step())
    assert call.name == "ToolSearch"
    assert call.input["query"] == "select:TaskCreate,TaskUpdate"


def test_thinking_comes_before_the_answer_if_it_is_on() -> None:
    on = Conversation("think hard", thinking={"type": "adaptive"}).step()
    assert isinstance(on.blocks[0], Thinking)
    off = Conversation("think hard").step()
    assert not any(isinstance(block, Thinking) for block in off.blocks)
    assert "switched off" in said(off)


def test_first_greeting_explains_what_can_be_tried() -> None:
    for prompt in ("hello", "Hi!", "help", "what can you do?"):
        text = said(Conversation(prompt).step())
        assert "scripted" in text
        assert "- **list files**" in text


def test_anything_else_is_echoed_as_scripted() -> None:
    text = said(Conversation("where do storks spend the winter").step())
    assert "where do storks spend the winter" in text
    assert "scripted model" in text


def test_long_answer_has_a_table_and_code_in_several_languages() -> None:
    text = said(Conversation("write a long answer").step())
    assert len(text) > 3000
    assert "|---|" in text
    assert {"```python", "```typescript", "```sql"} <= set(text.split("\n"))


def test_attachments_are_named() -> None:
    conversation = Conversation("")
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}
    conversation.messages = [
        {"role": "user", "content": [image, {"type": "text", "text": "look at this"}]}
    ]
    text = said(conversation.step())
    assert "image (image/png)" in text
    assert "look at this" in text


def test_background_notification_is_told() -> None:
    conversation = Conversation("hello")
    note = (
        "<system-reminder>\n<task-notification>\n<task-id>b1</task-id>\n<status>completed</status>"
        "\n<summary>Background command done</summary>\n</task-notification>\n</system-reminder>"
    )
    conversation.messages += [
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": [{"type": "text", "text": note}]},
    ]
    assert "Background command done" in said(conversation.step())


def test_structured_result_satisfies_the_schema_of_the_tool() -> None:
    schema = {
        "type": "object",
        "properties": {"count": {"type": "integer", "minimum": 3}},
        "required": ["count"],
    }
    conversation = Conversation("tell me something")
    conversation.tools.append({"name": "StructuredOutput", "input_schema": schema})
    answer = conversation.step()
    (call,) = called(answer)
    assert (call.name, dict(call.input)) == ("StructuredOutput", {"count": 3})
    assert said(answer)
    conversation.give(answer, "Structured output provided successfully")
    assert not called(conversation.step())


def test_title_request_gets_a_title() -> None:
    conversation = Conversation("<session>\nfix the broken login page\n</session>\n\nTitle it.")
    conversation.tools = []
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    conversation.fields["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    assert said(conversation.step()) == '{"title":"Fix broken login page"}'


def test_title_request_never_plays_a_script() -> None:
    conversation = Conversation('<session>\nSCRIPT:[{"t":"err"}]:END\n</session>')
    conversation.tools = []
    conversation.fields["system"] = "You are naming a coding session. The title is a name."
    assert said(conversation.step()) == "First conversation"


def test_failures_by_name() -> None:
    conversation = Conversation("error 429 always")
    for _ in range(3):
        answer = conversation.chooser.answer(read_turn(conversation.body(), "s"))
        assert isinstance(answer, Failure)
        assert answer.status == 429
    once = Conversation("cut the stream")
    assert once.step().ending == "cut"
    assert once.step().ending == "complete"
    assert Conversation("please stall").step().ending == "stall"
    assert Conversation("refuse").step().reason() == "refusal"
