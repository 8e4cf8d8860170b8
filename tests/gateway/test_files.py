"""Uploads: what they may be, and whose they are."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from support.gateway_process import Person
from support.session_api import ok

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("a.png", PNG, "image/png"),
        ("a.txt", PNG, "image/png"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.gif", b"GIF89a..", "image/gif"),
        ("a.webp", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ("a.pdf", b"%PDF-1.7 ..", "application/pdf"),
        ("notes.md", "# Ä".encode(), "text/markdown"),
        ("page.html", b"<script>alert(1)</script>", "text/plain"),
    ],
)
async def test_the_bytes_decide_what_a_file_is(
    api: httpx.AsyncClient, name: str, data: bytes, media_type: str
) -> None:
    made = await ok(await api.post("/files", files={"file": (name, data, "text/html")}))
    assert (made["filename"], made["mime_type"], made["size_bytes"]) == (
        name,
        media_type,
        len(data),
    )
    content = await api.get(f"/files/{made['id']}/content")
    assert content.content == data
    assert "sandbox" in content.headers["content-security-policy"]
    assert "html" not in content.headers["content-type"]
    assert content.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "data"), [("a.bin", b"\0\1\2"), ("a.txt", b""), ("a", b"\xff\xfe")]
)
async def test_other_kinds_cannot_be_attached(
    api: httpx.AsyncClient, name: str, data: bytes
) -> None:
    answer = await api.post("/files", files={"file": (name, data)})
    assert answer.status_code == 400
    assert "PNG" in answer.json()["error"]["message"]


async def test_an_upload_over_25_mb_is_refused(api: httpx.AsyncClient) -> None:
    for size in (25 * 1024 * 1024 + 1, 26 * 1024 * 1024):
        answer = await api.post("/files", files={"file": ("a.txt", b"x" * size)})
        assert answer.status_code == 413, answer.text
        assert answer.json()["error"]["type"] == "request_too_large"


async def test_a_form_without_a_file_is_refused(api: httpx.AsyncClient) -> None:
    requests: tuple[dict[str, Any], ...] = (
        {"data": {"file": "text"}},
        {"files": {"other": b"x"}},
        {"json": {}},
        {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}},
        {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
        {"files": [("file", b"x"), ("file", b"y")]},
    )
    for kwargs in requests:
        answer = await api.post("/files", **kwargs)
        assert answer.status_code == 400, (kwargs, answer.text)


async def test_a_file_name_cannot_leave_its_place(api: httpx.AsyncClient) -> None:
    made = await ok(await api.post("/files", files={"file": ("../../etc/pass\nwd", b"x")}))
    assert "/" not in made["filename"]
    assert "\n" not in made["filename"]
    shown = await api.get(f"/files/{made['id']}/content", params={"download": True})
    assert shown.headers["content-disposition"].startswith("attachment")


async def test_files_are_their_owners_alone(api: httpx.AsyncClient, member: Person) -> None:
    made = await ok(await api.post("/files", files={"file": ("a.txt", b"mine")}))
    path = f"/files/{made['id']}"
    assert (await ok(await api.get("/files", params={"ids[]": made["id"]})))["data"] == [made]
    async with member.client() as client:
        for answer in (
            await client.get(path),
            await client.get(f"{path}/content"),
            await client.delete(path),
        ):
            assert answer.status_code == 404
        assert (await ok(await client.get("/files")))["data"] == []
    assert (await ok(await api.delete(path)))["type"] == "file_deleted"
    assert (await api.get(path)).status_code == 404
