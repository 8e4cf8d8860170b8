"""What a test says to the scripted model: the answers that it is to give, step by step."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from csp_crds.agent import AgentSpec

MODEL = "claude-sonnet-4-5"


def script(*steps: Mapping[str, Any]) -> str:
    """A prompt that tells the scripted model what to answer, step by step."""
    return f"SCRIPT:{json.dumps(steps)}:END"


def script64(*steps: Mapping[str, Any]) -> str:
    """The same for inside another script: the prompt of a subagent."""
    return f"SCRIPT64:{base64.b64encode(json.dumps(steps).encode()).decode()}:END"


def tool(name: str, **given: Any) -> dict[str, Any]:
    """A step that calls one tool."""
    return {"t": "tool", "tools": [{"name": name, "input": given}]}


def say(text: str, **more: Any) -> dict[str, Any]:
    """A step that answers with text."""
    return {"t": "text", "text": text, **more}


def spec(**fields: Any) -> AgentSpec:
    """An agent definition on the model that the scripted one knows."""
    return AgentSpec.model_validate({"model": MODEL, **fields})
