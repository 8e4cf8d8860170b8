"""The CLI's own memory of a conversation: mirrored into the log, written back to resume.

The CLI resumes only from files below its configuration directory. While it runs, every line that
it writes there also comes through the SDK's session store, as soon as it exists; a new worker gets
those lines with Bind and writes the files again. The SDK's keys contain the working directory and
mean nothing elsewhere: what counts is the session, which the log knows, and the subpath.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import orjson
from claude_agent_sdk import project_key_for_directory

from csp_worker.text import clean_json

if TYPE_CHECKING:
    from claude_agent_sdk import SessionKey, SessionStoreEntry

    from csp_worker.eventlog import EventLog

_METADATA = "agent_metadata"


class MirrorStore:
    """The SDK's session store: takes lines, and has none to give."""

    def __init__(self) -> None:
        self.log: EventLog | None = None
        self.known: set[tuple[str, str]] = set()
        """Subpath and uuid of each line that the log has or will have."""

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Hands lines to the log; never waits."""
        if self.log is None:
            return
        subpath = key.get("subpath", "")
        for entry in entries:
            self.log.transcript(subpath, _dump(entry))
            if isinstance(uuid := entry.get("uuid"), str):
                self.known.add((subpath, uuid))

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """None: the CLI resumes from the files of its configuration directory."""
        return None


def materialise(
    config: Path, cwd: Path, session_id: str, lines: Iterable[tuple[str, bytes]]
) -> None:
    """Writes the files that the CLI resumes from. Raises ValueError for a bad id, OSError."""
    if not session_id or not session_id.replace("-", "").isalnum():
        raise ValueError(f"claude session id {session_id!r} is not a UUID")
    project = config / "projects" / project_key_for_directory(str(cwd))
    by_file: dict[str, list[bytes]] = defaultdict(list)
    for subpath, entry in lines:
        by_file[subpath].append(entry)
    for subpath, entries in by_file.items():
        entries = linked(entries)
        if not subpath:
            _write(project / f"{session_id}.jsonl", entries)
        elif _is_plain(subpath):
            _write_subagent(project / session_id / f"{subpath}.jsonl", entries)


def linked(entries: list[bytes]) -> list[bytes]:
    """The lines of a file, each of them with a parent that is there.

    The CLI goes from the last line to the one before by `parentUuid`, and forgets all that is
    beyond a line that was lost: whose parent is missing follows the line before it.
    """
    parsed = [orjson.loads(entry) for entry in entries]
    known = {line.get("uuid") for line in parsed}
    before: str | None = None
    found = []
    for entry, line in zip(entries, parsed, strict=True):
        parent = line.get("parentUuid")
        if parent is not None and parent not in known:
            entry = orjson.dumps({**line, "parentUuid": before})
        found.append(entry)
        before = line.get("uuid") or before
    return found


def names(lines: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
    """Subpath and uuid of the lines that have one."""
    for subpath, entry in lines:
        if isinstance(uuid := orjson.loads(entry).get("uuid"), str):
            yield subpath, uuid


def files_of(config: Path, cwd: Path, session_id: str) -> dict[str, Path]:
    """The files of a conversation by their subpath, as the CLI keeps them."""
    project = config / "projects" / project_key_for_directory(str(cwd))
    below = project / session_id
    found = {str(path.relative_to(below).with_suffix("")): path for path in below.rglob("*.jsonl")}
    return {"": project / f"{session_id}.jsonl", **found}


def exists(config: Path, cwd: Path, session_id: str) -> bool:
    """Whether there is something to resume from."""
    project = config / "projects" / project_key_for_directory(str(cwd))
    return (project / f"{session_id}.jsonl").is_file()


def _write_subagent(path: Path, entries: list[bytes]) -> None:
    """A subagent's description travels among its lines; on disk it is a file of its own."""
    parsed = [(entry, json.loads(entry)) for entry in entries]
    metadata = [value for _, value in parsed if value.get("type") == _METADATA]
    _write(path, [entry for entry, value in parsed if value.get("type") != _METADATA])
    if metadata:
        last = {key: value for key, value in metadata[-1].items() if key != "type"}
        path.with_name(path.name.removesuffix(".jsonl") + ".meta.json").write_text(json.dumps(last))


def _write(path: Path, entries: list[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(b"".join(entry + b"\n" for entry in entries))
    path.chmod(0o600)


def _is_plain(subpath: str) -> bool:
    parts = PurePosixPath(subpath).parts
    return "\\" not in subpath and all(part not in ("/", "..", ".") for part in parts)


def _dump(entry: SessionStoreEntry) -> bytes:
    try:
        return orjson.dumps(entry)
    except (TypeError, ValueError):
        return orjson.dumps(clean_json(entry), default=str)
