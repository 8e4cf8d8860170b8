"""Reading a shell command just far enough to compare it with a rule. Pure.

This is no parser of bash and must not be trusted like one. Where it is unsure it says so in the
safe direction: a command that it cannot take apart is matched by no permission, and by every
restriction that its text could be about.
"""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatchcase

_OPERATORS = {"&&", "||", ";", "|", "|&", "&", ";;", "\n"}
# What can hide a command inside a word, or send output to a file.
_OPAQUE = re.compile(r"\$\(|`|<\(|>\(|\$\{|<<|\beval\b|\bexec\b|\bsource\b|(?:^|\s)\.\s")
_HARMLESS_REDIRECT = re.compile(r"(?:\d*|&)>{1,2}\s*(?:/dev/null|&\d)|<\s*/dev/null")
_ASSIGNMENT = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*=")
_WRAPPERS = {
    "sudo",
    "env",
    "command",
    "nohup",
    "time",
    "nice",
    "timeout",
    "xargs",
    "doas",
    "setsid",
    "stdbuf",
    "builtin",
}
_WITH_SUBCOMMAND = {
    "git",
    "npm",
    "npx",
    "yarn",
    "pnpm",
    "pip",
    "uv",
    "cargo",
    "go",
    "docker",
    "kubectl",
    "make",
    "apt",
    "apt-get",
    "python",
    "python3",
    "poetry",
    "helm",
}


def matches(pattern: str, command: str, *, whole: bool) -> bool:
    """`whole`: every simple command must match; otherwise one is enough."""
    if command.strip() == pattern.strip():
        return True
    parts = split(command)
    if whole:
        return parts is not None and bool(parts) and all(_one(pattern, part) for part in parts)
    if parts is None:
        words = re.split(r"[\s;|&()`<>\"'{}$]+", command)
        head = pattern.removesuffix(":*").removesuffix("*").split()
        return not head or head[0].rpartition("/")[2] in {w.rpartition("/")[2] for w in words}
    return any(_one(pattern, form) for part in parts for form in _unwrapped(part))


def split(command: str) -> list[str] | None:
    """Simple commands, joined by single spaces; None when it cannot be told."""
    plain = _HARMLESS_REDIRECT.sub(" ", command)
    if _OPAQUE.search(plain):
        return None
    lexer = shlex.shlex(plain.replace("\n", " ; "), posix=False, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        tokens = list(lexer)
    except ValueError:
        return None
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token in _OPERATORS:
            parts.append([])
        elif token and all(character in "();<>|&" for character in token):
            return None
        else:
            parts[-1].append(token)
    return [" ".join(part) for part in parts if part]


def prefix(command: str) -> str | None:
    """What a rule for commands like this one would say: `git status:*`, or the exact command."""
    parts = split(command)
    if parts is None or len(parts) != 1:
        return command.strip() or None
    words = parts[0].split(" ")
    if _ASSIGNMENT.match(words[0]) or words[0] in _WRAPPERS or words[0][:1] in "\"'":
        return command.strip()
    plain = re.compile(r"^[A-Za-z][\w-]*$")
    if words[0] in _WITH_SUBCOMMAND:
        if len(words) > 1 and plain.match(words[1]):
            return f"{words[0]} {words[1]}:*"
        return command.strip()
    return f"{words[0]}:*"


def _one(pattern: str, part: str) -> bool:
    if pattern.endswith(":*"):
        head = pattern[:-2]
        return part == head or part.startswith(head + " ")
    return part == pattern or ("*" in pattern and fnmatchcase(part, pattern))


def _unwrapped(part: str) -> list[str]:
    """The command, and what it runs when it only wraps another one."""
    forms = [part]
    words = part.split(" ")
    while words:
        word = words[0]
        wraps = word.rpartition("/")[2] in _WRAPPERS
        if not (wraps or _ASSIGNMENT.match(word) or word[:1] == "-" or word[:1].isdigit()):
            break
        words = words[1:]
        forms.append(" ".join(words))
    if words and "/" in words[0]:
        forms.append(" ".join([words[0].rpartition("/")[2], *words[1:]]))
    unquoted = re.sub(r"[\"'\\]", "", " ".join(words))
    return [*forms, unquoted]
