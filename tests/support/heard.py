"""What the scripted model was sent: all that an agent remembers when it answers."""

from __future__ import annotations

import httpx
import psutil

from support.stack import Stack


async def heard(model_url: str, asked: str = "") -> str:
    """The messages of its newest request that has this text."""
    async with httpx.AsyncClient(trust_env=False) as plain:
        entries = (await plain.get(f"{model_url}/_requests")).json()
    bodies = [str(entry["messages"]) for entry in entries if "messages" in entry]
    return [body for body in bodies if asked in body][-1]


def model_of(stack: Stack) -> str:
    """The address of an installation's scripted model."""
    model = psutil.Process(stack.pid("csp_controlplane.scripted_model"))
    return f"http://127.0.0.1:{model.environ()['CSP_SCRIPTED_PORT']}"
