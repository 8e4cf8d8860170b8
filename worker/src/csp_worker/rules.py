"""Permission rules: what `Bash(git status:*)` or `Edit(src/**)` names. Pure.

The grammar is Claude Code's. One rule has two readings. As a restriction it holds when any part of
the call is what it names; as a permission only when every part is. So `Bash(ls:*)` does not allow
`ls; rm -rf x`, and a deny of `Bash(rm:*)` does forbid it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from csp_worker import shell

EDIT_TOOLS = frozenset({"Edit", "Write", "NotebookEdit", "MultiEdit"})
READ_TOOLS = frozenset({"Read", "Glob", "Grep", "LS"})
_ALIASES = {"Task": "Agent"}
_RULE = re.compile(r"^([^()]+?)(?:\((.*)\))?$", re.S)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call as the hook sees it; `cwd` is the session's working directory."""

    name: str
    input: dict[str, Any]
    cwd: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A parsed rule; `content` is what stood in the parentheses."""

    tool: str
    content: str | None

    @classmethod
    def parse(cls, text: str) -> Rule:
        """A text that is no rule names a tool of that name, which exists nowhere."""
        match = _RULE.match(text.strip())
        if match is None:
            return cls(text, None)
        content = match.group(2)
        return cls(canonical(match.group(1).strip()), None if content in (None, "*") else content)

    def restricts(self, call: ToolCall) -> bool:
        """Whether some part of the call is named: the reading of deny and ask."""
        return self._matches(call, whole=False)

    def permits(self, call: ToolCall) -> bool:
        """Whether all of the call is named: the reading of allow."""
        return self._matches(call, whole=True)

    def _matches(self, call: ToolCall, *, whole: bool) -> bool:
        name = canonical(call.name)
        if self.content is None:
            return self.tool == "*" or name == self.tool or _mcp_covers(self.tool, name)
        if self.tool == "Bash" and name == "Bash":
            return shell.matches(self.content, str(call.input.get("command", "")), whole=whole)
        if self.tool == "WebFetch" and name == "WebFetch":
            return _domain_matches(self.content, str(call.input.get("url", "")))
        if _covers_paths(self.tool, name):
            return _path_matches(self.content, _path_of(call), call.cwd)
        if self.tool == name:
            # Skill(name), Agent(type), and whatever else takes one word.
            return any(fnmatchcase(str(v), self.content) for v in call.input.values())
        return False


def canonical(name: str) -> str:
    """One name per tool."""
    return _ALIASES.get(name, name)


def suggest(call: ToolCall) -> str:
    """The rule that "allow for the session" would add for this call."""
    name = canonical(call.name)
    if name == "Bash":
        prefix = shell.prefix(str(call.input.get("command", "")))
        return f"Bash({prefix})" if prefix else "Bash"
    if name == "WebFetch":
        host = urlsplit(str(call.input.get("url", ""))).hostname
        return f"WebFetch(domain:{host})" if host else name
    return name


def inside(path: str, cwd: str) -> bool:
    """Whether a path, links followed, lies in the working directory."""
    root = os.path.realpath(cwd)
    full = os.path.realpath(os.path.join(root, path))  # noqa: PTH118
    return full == root or full.startswith(root + os.sep)


def path_argument(call: ToolCall) -> str:
    """The file that a call is about; "" when it names none."""
    for key in ("file_path", "notebook_path", "path"):
        if value := call.input.get(key):
            return str(value)
    return ""


def _path_of(call: ToolCall) -> str:
    return path_argument(call) or call.cwd


def _covers_paths(rule_tool: str, name: str) -> bool:
    if rule_tool == "Edit":
        return name in EDIT_TOOLS
    if rule_tool == "Read":
        return name in READ_TOOLS
    return rule_tool == name and (name in EDIT_TOOLS or name in READ_TOOLS)


def _mcp_covers(rule_tool: str, name: str) -> bool:
    if not rule_tool.startswith("mcp__"):
        return False
    return fnmatchcase(name, rule_tool) or name.startswith(rule_tool + "__")


def _domain_matches(content: str, url: str) -> bool:
    host = (urlsplit(url).hostname or "").lower()
    wanted = content.removeprefix("domain:").lower()
    return fnmatchcase(host, wanted) or host.endswith("." + wanted)


def _path_matches(pattern: str, path: str, cwd: str) -> bool:
    """`//x` is absolute, `~/x` below the home directory, anything else below `cwd`."""
    root = os.path.realpath(cwd)
    if pattern.startswith("//"):
        pattern = pattern[1:]
    elif pattern.startswith("~/"):
        pattern = os.path.expanduser(pattern)  # noqa: PTH111
    else:
        pattern = f"{root}/{pattern.removeprefix('./').lstrip('/')}"
    expression = _glob(pattern)
    literal = os.path.normpath(os.path.join(root, path))  # noqa: PTH118
    # A link must not lead around a rule: what is named and what is meant are both compared.
    return any(
        expression.fullmatch(str(parent)) is not None
        for candidate in {literal, os.path.realpath(literal)}
        for parent in (PurePosixPath(candidate), *PurePosixPath(candidate).parents)
    )


def _glob(pattern: str) -> re.Pattern[str]:
    out = []
    for part in re.split(r"(\*\*/?|\*|\?)", pattern):
        out.append(
            {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part) or re.escape(part)
        )
    return re.compile("".join(out), re.S)
