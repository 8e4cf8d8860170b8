"""Files: write, read, edit, search."""

from __future__ import annotations

import re

from csp_controlplane.scripted_model.answers import Answer, say
from csp_controlplane.scripted_model.topics.quoting import failed, fenced, in_directory, use
from csp_controlplane.scripted_model.turns import Turn

_FILE = re.compile(r"(?<![\w/])(?P<name>[\w-][\w./-]*\.[A-Za-z]\w{0,7})\b")
_NUMBERED = re.compile(r"^\s*\d+(?:→|\t|:)(?P<text>.*\S.*)$", re.MULTILINE)
_SEARCHED = re.compile(r"\b(?:search|grep|look)\b.*?\bfor\b\s+[`\"']?(?P<what>[^`\"'\n]+)", re.I)

_CONTENTS = {
    "py": 'def main() -> None:\n    print("Hello from the scripted model!")\n\n\nmain()\n',
    "sh": '#!/bin/sh\necho "Hello from the scripted model!"\n',
    "js": 'console.log("Hello from the scripted model!");\n',
    "html": "<!doctype html>\n<title>Hello</title>\n<h1>Hello from the scripted model!</h1>\n",
    "json": '{\n  "greeting": "Hello from the scripted model!"\n}\n',
    "csv": "name,count\napples,3\npears,5\n",
}
_NOTES = "# Notes\n\nThe first line of a list:\n\n- Hello from the scripted model!\n"
_PROGRAMS = {"py": "python3", "sh": "sh"}


def write(turn: Turn) -> Answer:
    """Write, then run it if it is a program or read it back if it is not, then show the result."""
    name = _named(turn.prompt) or "hello.py"
    ending = name.rsplit(".", 1)[-1].lower()
    path = in_directory(turn, name)
    done = [*turn.named("Write"), *turn.named("Bash"), *turn.named("Read")]
    if done and done[-1].is_error:
        return failed(done[-1])
    if not turn.named("Write"):
        told = {"file_path": path, "content": _content(name)}
        return use(turn, "Write", told, f"I'll write `{name}` for you.")
    if len(done) == 1 and ending in _PROGRAMS and "Bash" in turn.tools:
        told = {"command": f"{_PROGRAMS[ending]} '{path}'", "description": f"Run {name}"}
        return use(turn, "Bash", told, "Written. Now I'll run it to see that it works.")
    if len(done) == 1 and "Read" in turn.tools:
        return use(turn, "Read", {"file_path": path}, "Written. I'll read it back.")
    shown = fenced(done[-1].text)
    return say(f"`{name}` is there now. What came back:\n\n{shown}\n\nSay **edit {name}** next.")


def read(turn: Turn) -> Answer:
    name = _named(turn.prompt) or "hello.py"
    result = turn.last()
    if result is None:
        return use(turn, "Read", {"file_path": in_directory(turn, name)}, f"I'll read `{name}`.")
    return failed(result) if result.is_error else say(f"`{name}` says:\n\n{fenced(result.text)}")


def edit(turn: Turn) -> Answer:
    """Read, write it first if it is missing, change one line, show the change."""
    name = _named(turn.prompt) or "notes.md"
    path = in_directory(turn, name)
    edits, writes, reads = turn.named("Edit"), turn.named("Write"), turn.named("Read")
    if edits:
        if edits[-1].is_error:
            return failed(edits[-1])
        return say(f"Done: I changed one line of `{name}`. The card above shows the difference.")
    if writes and writes[-1].is_error:
        return failed(writes[-1])
    if not reads:
        return use(turn, "Read", {"file_path": path}, f"I'll look at `{name}` first.")
    if reads[-1].is_error and not writes:
        saying = f"There is no `{name}` yet, so I'll write one that can be edited."
        return use(turn, "Write", {"file_path": path, "content": _content(name)}, saying)
    text = _content(name) if writes else "\n".join(_NUMBERED.findall(reads[-1].text))
    line = _a_line(text)
    if line is None:
        return say(f"`{name}` is empty, so there is no line that I could change.")
    told = {"file_path": path, "old_string": line, "new_string": _changed(line)}
    return use(turn, "Edit", told, "Now I'll change one line.")


def search(turn: Turn) -> Answer:
    found = _SEARCHED.search(turn.prompt)
    what = found["what"].strip() if found else "Hello"
    result = turn.last()
    if result is None:
        told = {"pattern": re.escape(what), "output_mode": "content"}
        return use(turn, "Grep", told, "I'll search the workspace.")
    return failed(result) if result.is_error else say(f"I found this:\n\n{fenced(result.text)}")


def _named(prompt: str) -> str | None:
    found = _FILE.search(prompt)
    # Paths that leave the workspace are not what a greeting script should touch.
    return found["name"] if found and ".." not in found["name"] else None


def _content(name: str) -> str:
    return _CONTENTS.get(name.rsplit(".", 1)[-1].lower(), _NOTES)


def _a_line(text: str) -> str | None:
    """A line whose text occurs once in the file, if there is one; rather one that greets."""
    lines = [line for line in text.splitlines() if line.strip()]
    unique = [line for line in lines if sum(line in other for other in lines) == 1]
    return max(unique, key=lambda line: "Hello" in line, default=None)


def _changed(line: str) -> str:
    again = line.replace("Hello", "Hello again", 1)
    return again if again != line else f"{line} (edited)"
