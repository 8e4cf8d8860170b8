"""Sessions out of and into files."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from support.gateway_process import Person
from support.session_api import log_of
from support.written_log import conversation, event, file_of, imported, send, text

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)> [x](javascript:alert(3))"


async def exported(client: httpx.AsyncClient, session: str, format_: str) -> httpx.Response:
    answer = await client.get(f"/sessions/{session}/export", params={"format": format_})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment")
    return answer


async def test_what_is_exported_can_be_imported_and_is_the_same(api: httpx.AsyncClient) -> None:
    entries = [{"type": "user", "uuid": "u1", "message": {"a": [1, 2.5, None]}}]
    lines = file_of(conversation(answer="naïve \u0000 ☂"), entries)
    first = await imported(api, lines)
    session = (await api.get(f"/sessions/{first}")).json()
    assert (session["title"], session["state"]) == ("Tides", "paused")
    log = await log_of(api, first)
    assert [e["type"] for e in log[-2:]] == ["session.notice", "session.status_idle"]
    assert log[-2]["code"] == "imported"
    assert log[: len(conversation())] == [json.loads(line) for line in lines[1:9]]

    again = (await exported(api, first, "jsonl")).text.splitlines()
    second = await imported(api, again)
    twice = (await exported(api, second, "jsonl")).text.splitlines()
    strip = len(again) - 2  # the head tells when it was written, the end how many there are
    assert [line for line in twice[1:] if "csp.transcript" in line] == [
        line for line in again if "csp.transcript" in line
    ]
    assert twice[1 : len(log) + 1] == again[1 : len(log) + 1]
    assert strip > len(log)


async def test_a_file_without_a_transcript_can_only_be_read(api: httpx.AsyncClient) -> None:
    session = await imported(api, file_of(conversation()))
    assert (await api.get(f"/sessions/{session}")).json()["state"] == "completed"
    body = {"events": [{"type": "user.message", "content": text("go on")}]}
    refused = await api.post(f"/sessions/{session}/events", json=body)
    assert refused.status_code == 409


async def test_what_a_file_leaves_open_is_closed(api: httpx.AsyncClient) -> None:
    events = [*conversation()[:4], event(5, "user.message", content=text("waits"))]
    session = await imported(api, file_of(events))
    log = await log_of(api, session)
    added = [(e["type"], e.get("outcome"), e.get("message_id")) for e in log[5:7]]
    assert added == [
        ("span.turn_end", "interrupted", None),
        ("user.message_cancel", None, events[4]["id"]),
    ]


def _without(lines: list[str], number: int) -> list[str]:
    return lines[: number - 1] + lines[number:]


def _with(lines: list[str], number: int, **changes: Any) -> list[str]:
    body = {**json.loads(lines[number - 1]), **changes}
    return [*lines[: number - 1], json.dumps(body), *lines[number:]]


GOOD = file_of(conversation(), [{"uuid": "u"}])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "ends early, after line 0"),
        (["{"], "Line 1: it is not JSON"),
        (["[]"], "Line 1: it is not a JSON object"),
        (GOOD[1:], "Line 1: the first line has to be csp.session"),
        (_with(GOOD, 1, version=7), "Line 1: version 7 is not known"),
        (_with(GOOD, 1, created_at="soon"), "Line 1: created_at"),
        (_with(GOOD, 1, claude_session_id="../../x"), "Line 1: claude_session_id"),
        (_without(GOOD, 4), "Line 4: seq has to be 3, it is 4"),
        (_with(GOOD, 3, type="evil.event"), "Line 3: 'evil.event' is no type"),
        (_with(GOOD, 3, id="x"), "Line 3: 'x' is no id"),
        (_with(GOOD, 3, id=f"sevt_{1:026d}"), "was there before"),
        (_with(GOOD, 3, processed_at="today"), "Line 3: processed_at: 'today'"),
        (_with(GOOD, 3, message_ids="all"), "Line 3: message_ids is not a list"),
        (_with(GOOD, 7, content=text("x" * 1_000_001)), "Line 7: an event has at most 1000000"),
        (_with(GOOD, 10, entry=[]), "Line 10: csp.transcript needs"),
        ([*GOOD[:10], GOOD[8], GOOD[10]], "Line 11: an event stands behind the transcript"),
        (GOOD[:-1], "ends early, after line 10"),
        (_with(GOOD, 11, events=5), "Line 11: csp.end tells of 5 lines of events, there are 8"),
        ([*GOOD, GOOD[1]], "Line 12: nothing may follow"),
    ],
    ids=[
        "empty", "no-json", "no-object", "no-head", "version", "head-time", "head-id", "gap",
        "type", "id", "twice", "time", "message-ids", "too-large", "entry", "order", "cut-off",
        "count", "more",
    ],
)  # fmt: skip
async def test_a_bad_file_is_refused_with_its_line_and_leaves_nothing(
    api: httpx.AsyncClient, lines: list[str], said: str
) -> None:
    answer = await send(api, lines)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]["message"]
    listed = await api.get("/sessions", params={"include_archived": True})
    assert listed.json()["data"] == []


async def test_markdown_keeps_what_was_written_and_nothing_ends_a_fence(
    api: httpx.AsyncClient,
) -> None:
    events = conversation(answer="## Tides\n\n- high")
    events[4]["content"] = text("before\n````\nafter")
    session = await imported(api, file_of(events))
    whole = (await exported(api, session, "markdown")).text
    assert whole.startswith("# Tides\n")
    for part in ("What is the tide?", "> Look at the moon.", '"command": "moon"', "\n## Tides\n"):
        assert part in whole
    assert "`````\nbefore\n````\nafter\n`````" in whole


class _Seen(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


async def test_html_runs_nothing_and_asks_nobody_for_anything(api: httpx.AsyncClient) -> None:
    events = conversation(question=EVIL, answer=EVIL + "\n\n![p](https://example.org/p.png)")
    events[2]["thinking"] = EVIL
    events[3] |= {"name": EVIL, "input": {EVIL: EVIL}}
    events[4]["content"] = text(EVIL)
    source = {"type": "base64", "media_type": 'image/png" onload="x', "data": '"><script>'}
    events[0]["content"].append({"type": "image", "source": source, "title": EVIL})
    session = await imported(api, file_of(events, title=EVIL))
    whole = (await exported(api, session, "html")).text
    seen = _Seen()
    seen.feed(whole)
    tags = {tag for tag, _ in seen.tags}
    assert not tags & {"script", "iframe", "object", "embed", "link", "form", "svg", "base"}
    for tag, attributes in seen.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in attributes.keys() & {"src", "href"}:
            address = attributes[name] or ""
            assert not re.match(r"\s*(javascript|vbscript)", address, re.I)
            assert name != "src" or address.startswith("data:image/")
    assert "default-src 'none'" in whole
    assert whole.rstrip().endswith("</html>")


async def test_an_uploaded_picture_is_in_the_html(api: httpx.AsyncClient) -> None:
    png = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
    file = (await api.post("/files", files={"file": ("a.png", png)})).json()["id"]
    events = conversation()
    image = {"type": "image", "source": {"type": "file", "file_id": file}}
    events[0]["content"].append(image)
    session = await imported(api, file_of(events))
    assert (
        '<img alt="Attached image" src="data:image/png;base64,iVBOR'
        in (await exported(api, session, "html")).text
    )


async def test_nobody_exports_what_is_not_theirs(
    api: httpx.AsyncClient, member: Person, stranger: Person
) -> None:
    session = await imported(api, file_of(conversation()))
    for person in (member, stranger):
        async with person.client() as client:
            assert (await client.get(f"/sessions/{session}/export")).status_code == 404


async def test_a_file_over_the_limit_of_requests_is_a_file_under_that_of_imports(
    api: httpx.AsyncClient,
) -> None:
    events = [event(n, "agent.message", content=text("x" * 9000)) for n in range(1, 601)]
    session = await imported(api, file_of(events))
    assert (await api.get(f"/sessions/{session}")).json()["seq"] == 602
