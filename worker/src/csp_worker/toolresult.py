"""What a tool gave back, in the form of an event. Pure.

The CLI reports a result twice: as the model reads it, and as an object with more detail. Text that
is in both is kept once. Pictures stay while the event can hold them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from csp_worker.outputs import WholeOutput
from csp_worker.text import TEXT_LIMIT, cap, cap_json, clean, clean_json

IMAGE_LIMIT = 600 * 1024
DETAIL_LIMIT = 64 * 1024
_DETAIL_KEYS = ("stdout", "stderr", "interrupted", "backgroundTaskId", "returnCodeInterpretation")


@dataclass(slots=True)
class Result:
    """Fields of agent.tool_result that come from the tool."""

    content: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] | None = None
    truncated_bytes: int = 0

    def refer_to(self, whole: WholeOutput) -> None:
        """Says that the CLI has left something out, how much, and where all of it is."""
        shown = sum(len(str(block.get("text", "")).encode()) for block in self.content)
        self.truncated_bytes = max(self.truncated_bytes, whole.size_bytes - shown)
        self.details = {**(self.details or {}), "whole_output": asdict(whole)}


def shape(content: Any, extra: Any) -> Result:
    """From the block's content and the CLI's own `tool_use_result`."""
    result = Result()
    for block in _blocks(content):
        if block.get("type") == "text":
            text, cut = cap(clean(str(block.get("text", ""))), TEXT_LIMIT)
            result.truncated_bytes += cut
            result.content.append({"type": "text", "text": text})
        else:
            result.content.append(_other(block))
    details, cut = _details(extra, result.content)
    result.details = details
    result.truncated_bytes += cut
    return result


def _blocks(content: Any) -> list[dict[str, Any]]:
    if content is None:
        return []
    if isinstance(content, list):
        return [block for block in content if isinstance(block, dict)]
    return [{"type": "text", "text": str(content)}]


def _other(block: dict[str, Any]) -> dict[str, Any]:
    source = block.get("source")
    data = source.get("data") if isinstance(source, dict) else None
    if isinstance(data, str) and len(data) > IMAGE_LIMIT:
        kind = block.get("type", "file")
        return {"type": "text", "text": f"[{kind} of {len(data) * 3 // 4} bytes left out]"}
    cleaned: dict[str, Any] = clean_json(block)
    return cleaned


def _details(extra: Any, content: list[dict[str, Any]]) -> tuple[dict[str, Any] | None, int]:
    if not isinstance(extra, dict):
        return None, 0
    shown = {str(block.get("text", "")).strip() for block in content}
    found = {
        key: extra[key]
        for key in _DETAIL_KEYS
        if extra.get(key) not in (None, "", False) and str(extra[key]).strip() not in shown
    }
    if patch := extra.get("structuredPatch"):
        found["patch"] = patch
    if "filePath" in extra:
        found["file_path"] = extra["filePath"]
    if answers := extra.get("answers"):
        found["answers"] = answers
    if not found:
        return None, 0
    capped, cut = cap_json(clean_json(found), DETAIL_LIMIT)
    return capped, cut
