"""The models that the scripted model says it has."""

from __future__ import annotations

from typing import Any

_MODELS = (
    ("claude-fable-5-2", "Claude Fable 5.2", "fable"),
    ("claude-opus-5-5", "Claude Opus 5.5", "opus"),
    ("claude-sonnet-5-5", "Claude Sonnet 5.5", "sonnet"),
    ("claude-haiku-5-5", "Claude Haiku 5.5", "haiku"),
)


def models() -> dict[str, Any]:
    """The page that GET /v1/models answers."""
    data = [_entry(*known) for known in _MODELS]
    return {
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"],
        "last_id": data[-1]["id"],
    }


def model(wanted: str) -> dict[str, Any] | None:
    """One model, or None."""
    return next((_entry(*known) for known in _MODELS if known[0] == wanted), None)


def _entry(identifier: str, name: str, line: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": identifier,
        "display_name": f"{name} (scripted)",
        "created_at": "2026-09-01T00:00:00Z",
        "lifecycle": "active",
        "line": line,
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
        "capabilities": None,
        "deprecated_at": None,
        "retires_at": None,
    }
