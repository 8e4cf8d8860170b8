"""Answering what an agent asks: may it run a tool, and which choice does the person make."""

from __future__ import annotations

from typing import Any

from csp_controlplane.cli.chat.terminal import Keyboard, Screen
from csp_controlplane.cli.chat.transcript import tool_line

NOBODY = "Nobody is at the terminal to approve this."
DENIED = "The user does not want this."


def asks(event: dict[str, Any]) -> bool:
    """Whether a fact is a tool use that waits for a person."""
    is_use = event["type"] in ("agent.tool_use", "agent.mcp_tool_use")
    return is_use and event.get("evaluated_permission") == "ask"


def questions(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of AskUserQuestion; empty for any other tool."""
    if event["name"] != "AskUserQuestion":
        return []
    return list((event.get("input") or {}).get("questions") or [])


def unattended(event: dict[str, Any], *, approve: bool) -> dict[str, Any]:
    """The answer when nobody can be asked. A question of the agent's is never answered for them."""
    if approve and not questions(event):
        return _confirm(event, result="allow")
    return _confirm(event, result="deny", deny_message=NOBODY)


async def attended(event: dict[str, Any], keyboard: Keyboard, screen: Screen) -> dict[str, Any]:
    """Asks the person."""
    keyboard.forget()
    if questions(event):
        return await _choices(event, keyboard, screen)
    if event.get("description"):
        screen.say(str(event["description"]))
    screen.ask(
        f"Allow {tool_line(event)}?\n"
        "  y yes · n no · a always in this session · or say what to do instead: "
    )
    return decision(event, await keyboard.line())


def decision(event: dict[str, Any], line: str | None) -> dict[str, Any]:
    """What a typed line means for a tool use. No line and an empty one deny."""
    text = (line or "").strip()
    match text.lower():
        case "y" | "yes":
            return _confirm(event, result="allow", scope="once")
        case "a" | "always":
            return _confirm(event, result="allow", scope="session")
        case "" | "n" | "no":
            return _confirm(event, result="deny", deny_message=DENIED)
        case _:
            return _confirm(event, result="deny", deny_message=text)


async def _choices(event: dict[str, Any], keyboard: Keyboard, screen: Screen) -> dict[str, Any]:
    answers: dict[str, str | list[str]] = {}
    for question in questions(event):
        options = list(question.get("options") or [])
        screen.say(str(question["question"]))
        for number, option in enumerate(options, start=1):
            about = f"  ({option['description']})" if option.get("description") else ""
            screen.say(f"  {number}. {option['label']}{about}")
        many = bool(question.get("multiSelect"))
        how = "Numbers, with commas, or your own words" if many else "A number, or your own words"
        screen.ask(f"{how}: ")
        line = await keyboard.line()
        if line is None:
            return _confirm(event, result="deny", deny_message="The user did not answer.")
        answers[str(question["question"])] = chosen(options, line, many=many)
    return _confirm(event, result="allow", answers=answers)


def chosen(options: list[dict[str, Any]], line: str, *, many: bool) -> str | list[str]:
    """The labels that numbers stand for; anything else is the answer itself."""
    parts = [part.strip() for part in line.split(",")] if many else [line.strip()]
    labels = []
    for part in parts:
        if not part.isdecimal() or not 1 <= int(part) <= len(options):
            return line.strip()
        labels.append(str(options[int(part) - 1]["label"]))
    return labels if many else labels[0]


def _confirm(event: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "user.tool_confirmation", "tool_use_id": event["id"], **fields}
