"""A file that a person uploads reaches the model as what it is: end to end, by its id."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import psutil
import pytest

from support.parts_of_stack import MODEL_SERVER
from support.play import say, script, watching
from support.stack import Stack

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)
NOTES = "Gr\u00fc\u00dfe from the notes".encode()


async def asked_of_the_model(stack: Stack) -> list[dict[str, Any]]:
    """Blocks of the last request's messages for which a person's script was the text."""
    (pid,) = stack.pids(MODEL_SERVER)
    port = psutil.Process(pid).environ()["CSP_SCRIPTED_PORT"]
    async with httpx.AsyncClient(trust_env=False) as client:
        entries = (await client.get(f"http://127.0.0.1:{port}/_requests")).json()
    asked = [entry for entry in entries if entry["path"] == "/v1/messages" and entry["tools"]]
    contents = [message["content"] for message in asked[-1]["messages"]]
    return [block for content in contents if isinstance(content, list) for block in content]


@pytest.mark.parametrize(
    ("name", "data", "kind", "source"),
    [
        (
            "dot.png", PNG, "image",
            {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()},
        ),
        (
            "page.pdf", PDF, "document",
            {
                "type": "base64",
                "media_type": "application/pdf",
                "data": base64.b64encode(PDF).decode(),
            },
        ),
        (
            "notes.md", NOTES, "document",
            {"type": "text", "media_type": "text/plain", "data": NOTES.decode()},
        ),
    ],
    ids=["image", "pdf", "text"],
)  # fmt: skip
async def test_an_uploaded_file_reaches_the_model_by_its_id(
    stack: Stack, name: str, data: bytes, kind: str, source: dict[str, str]
) -> None:
    async with stack.client() as client, watching(stack) as viewer:
        answer = await client.post("/files", files={"file": (name, data, "text/html")})
        file_id = answer.raise_for_status().json()["id"]
        attached = {"type": kind, "source": {"type": "file", "file_id": file_id}}
        text = {"type": "text", "text": script(say("seen"))}
        message = await viewer.send({"type": "user.message", "content": [text, attached]})
        end = await viewer.turn_end(message, deadline=60)
        assert end["outcome"] == "completed"
        (sent,) = [b for b in await asked_of_the_model(stack) if b["type"] in ("image", "document")]
        assert (sent["type"], sent["source"]) == (kind, source)
        assert base64.b64encode(data).decode() not in str(viewer.facts), "the log names it only"
