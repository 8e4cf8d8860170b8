"""Commands: in the foreground, and in the background."""

from __future__ import annotations

import re

from csp_controlplane.scripted_model.answers import Answer, say
from csp_controlplane.scripted_model.topics.quoting import failed, fenced, use
from csp_controlplane.scripted_model.turns import Turn

_COMMAND = re.compile(
    r"\b(?:run|execute)\b(?:\s+(?:the\s+)?command)?\s*:?\s*(?P<ticks>`{1,3})?(?P<command>.+)",
    re.IGNORECASE | re.DOTALL,
)
_BACKGROUND = "for i in 1 2 3; do echo step $i; sleep 1; done; echo background job finished"
_GIVEN = re.compile(r"(?::\s*`*|`)(?P<command>[^`]+)`*\s*$", re.DOTALL)
_SUMMARY = re.compile(r"<(status|summary|result)>(.*?)</\1>", re.DOTALL)


def command_in(prompt: str) -> str | None:
    """The command that the person names, if they name one."""
    found = _COMMAND.search(prompt)
    if not found:
        return None
    command = found["command"].strip()
    if found["ticks"]:
        command = command.split(found["ticks"])[0]
    return command.strip().strip("`").strip() or None


def run(turn: Turn) -> Answer:
    return _run(turn, command_in(turn.prompt) or "uname -a")


def list_files(turn: Turn) -> Answer:
    saying = "I'll look at the files in the working directory."
    return _run(turn, "ls -la", saying, "List the files")


def _run(
    turn: Turn,
    command: str,
    saying: str = "I'll run this command.",
    description: str = "Run the command that was asked for",
) -> Answer:
    ran = turn.named("Bash")
    if not ran:
        told = {"command": command, "description": description}
        return use(turn, "Bash", told, saying)
    result = ran[-1]
    if result.is_error:
        return failed(result)
    shown = fenced(result.text) if result.text else "*(it printed nothing)*"
    lines = len(result.text.splitlines())
    return say(
        f"That worked. `{_one_line(command)}` printed {lines} line{'' if lines == 1 else 's'}:"
        f"\n\n{shown}\n\nThis output is real: the command ran in this session's own workspace."
    )


def background(turn: Turn) -> Answer:
    started = turn.named("Bash")
    if not started:
        given = _GIVEN.search(turn.prompt)
        told = {
            "command": given["command"].strip() if given else _BACKGROUND,
            "description": "Work for a few seconds in the background",
            "run_in_background": True,
        }
        return use(turn, "Bash", told, "I'll start this in the background.")
    if started[-1].is_error:
        return failed(started[-1])
    return say(
        "It is running in the background. You can go on talking to me meanwhile; "
        "I'll say so when it has finished."
    )


def finished(turn: Turn) -> Answer:
    """A turn that a background task's notification began."""
    told = dict(_SUMMARY.findall(turn.notification or ""))
    summary = told.get("summary", "A background task has ended").strip()
    answer = f"News from the background: **{summary}** (status: {told.get('status', 'unknown')})."
    if told.get("result"):
        answer += f"\n\nIt reported:\n\n{fenced(told['result'].strip())}"
    return say(answer)


def _one_line(command: str) -> str:
    line = " ".join(command.replace("`", "'").split())
    return line if len(line) <= 80 else line[:79] + "…"
