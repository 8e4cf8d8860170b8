"""Bad input over the real gateway, with a real worker behind it: refused in words, no harm done.

Bad requests that never reach a session are tested with the gateway (tests/gateway), bad tokens with
the worker (tests/worker).
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from csp_controlplane.store.database import Database
from csp_controlplane.supervisor.access import OwnerAccess
from support.gateway_process import new_admin, new_member
from support.play import bash, log_of, new_session, say, script, slow, watching
from support.stack import Stack
from support.viewer import Event, Viewer, text_message

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

SUBSCRIBER_BYTES = 1_000_000


@pytest.fixture(scope="module")
def strict() -> Iterator[Stack]:
    """An installation that lets little wait for a slow reader."""
    with Stack(environment={"CSP_SESSIONS_SUBSCRIBER_BYTES": str(SUBSCRIBER_BYTES)}) as running:
        yield running


async def refused_connection(viewer: Viewer) -> tuple[int, str]:
    await viewer.connect()
    closed = await viewer.gone()
    assert viewer.hello == {} and viewer.facts == []
    return closed


async def test_a_foreign_session_looks_like_an_unknown_one_in_every_way(strict: Stack) -> None:
    database = await Database.connect(strict.instance.database_url, max_size=1)
    stranger = await new_admin(database, strict.url)
    tenant = (await database_tenant(strict))["tenant"]["id"]
    admin_of_it = await new_admin(database, strict.url, tenant)
    colleague = await new_member(database, admin_of_it)
    await database.close()
    async with watching(strict) as viewer:
        await viewer.turn(script(say("private")))
        seen = viewer.seq
        unknown = viewer.session_id[:-4] + "0000"
        for person in (stranger, colleague):
            headers = {"x-api-key": person.key}
            answers = {
                await refused_connection(Viewer(strict.url, session, headers))
                for session in (unknown, viewer.session_id)
            }
            (code,) = {code for code, _ in answers}
            assert code == 4404
            async with person.client() as client:
                for session in (unknown, viewer.session_id):
                    sent = await client.post(
                        f"/sessions/{session}/events", json={"events": [text_message("x")]}
                    )
                    stream = await client.get(f"/sessions/{session}/events/stream")
                    for answer in (sent, stream):
                        assert answer.status_code == 404
                        assert answer.json()["error"]["message"] == (
                            f"There is no session {session!r}, or it is not yours."
                        )
        assert viewer.seq == seen, "nothing arrived from them"


async def database_tenant(stack: Stack) -> Event:
    async with stack.client() as client:
        me: Event = (await client.get("/me")).json()
        return me


BAD_MESSAGES: tuple[tuple[str | bytes, str], ...] = (
    ("{nonsense", "The message is not JSON"),
    (b"\xff\xfe\x00", "The message is not JSON"),
    ("[]", "The message is not a JSON object."),
    ('{"type":"shout"}', "type: send or ping are possible"),
    ('{"type":"send","events":[]}', "client_id: a string of 1 to 128 characters"),
    ('{"type":"send","client_id":"a","events":[]}', "events: send a list"),
    (
        '{"type":"send","client_id":"b","events":[{"type":"agent.message"}]}',
        "events.0.type: 'agent.message' is not an event that a client can send.",
    ),
    (
        '{"type":"send","client_id":"d","events":[{"type":"user.shout"}]}',
        "events.0.type: 'user.shout' is not an event that a client can send.",
    ),
    (
        '{"type":"send","client_id":"c","events":[{"type":"user.message","content":'
        '[{"type":"text","text":"\\ud800"}]}]}',
        "The message is not JSON",
    ),
)


async def test_bad_messages_on_the_socket_are_named_and_it_stays_open(strict: Stack) -> None:
    async with watching(strict) as viewer:
        for count, (message, sentence) in enumerate(BAD_MESSAGES, start=1):
            await viewer.raw(message)
            await viewer.until(lambda n=count: len(viewer.errors) == n, "an error")  # type: ignore[misc]
            error = viewer.errors[-1]["error"]
            assert error["type"] == "invalid_request_error"
            assert sentence in error["message"]
        await viewer.raw('{"type":"ping"}')
        await viewer.turn(script(say("still here")))


async def test_ten_megabytes_on_the_socket_close_it_and_nothing_of_them_is_kept(
    strict: Stack,
) -> None:
    async with watching(strict) as viewer:
        await viewer.post(text_message("x" * 10_000_000), client_id="huge")
        code, _ = await viewer.gone()
        assert code == 1009
        await viewer.connect()
        medium = await viewer.post(text_message("x" * 1_500_000), client_id="medium")
        error = await viewer.refusal(medium)
        assert error["type"] == "request_too_large"
        assert "at most 1000000" in error["message"]
        await viewer.turn(script(say("still here")))
        assert len(viewer.of("user.message")) == 1


async def test_of_a_thousand_messages_in_a_burst_a_hundred_wait_in_order(strict: Stack) -> None:
    async with strict.client() as client:
        viewer = Viewer(strict.url, await new_session(client), strict.headers)
        await viewer.connect()
        await viewer.say(script(slow(4000)))
        await viewer.partial(20)
        ids = [f"burst-{n}" for n in range(1000)]
        for part in range(0, 1000, 200):
            # A client that leaves more unread than it can answer pings in time is closed.
            for n in range(part, part + 200):
                await viewer.post(text_message(f"number {n}"), client_id=ids[n])
            await viewer.answered(ids[part + 199], 90)
        assert [client_id for client_id in ids if client_id in viewer.acks] == ids[:100]
        assert len(viewer.errors) == 900
        assert {error["error"]["type"] for error in viewer.errors} == {"rate_limit_error"}
        assert "100 messages are already waiting" in viewer.errors[0]["error"]["message"]
        answer = await client.post(
            f"/sessions/{viewer.session_id}/events", json={"events": [text_message("one more")]}
        )
        assert answer.status_code == 429
        assert answer.headers["retry-after"]
        queue = (await client.get(f"/sessions/{viewer.session_id}")).json()["queue"]
        assert [waiting["client_id"] for waiting in queue] == ids[:100]
        await client.post(f"/sessions/{viewer.session_id}/archive")
        await viewer.until(lambda: len(viewer.of("user.message_cancel")) == 100, "the queue's end")
        viewer.agrees_with(await log_of(client, viewer.session_id))
        await viewer.close()
        await client.delete(f"/sessions/{viewer.session_id}")


async def test_a_slow_reader_is_closed_with_a_code_and_little_is_kept_for_it(
    strict: Stack,
) -> None:
    flood = script(say("x" * 20_000, n=600, chunk_delay=0.02))
    async with watching(strict) as viewer:
        address = f"127.0.0.1:{strict.instance.ports[0]}"
        url = f"ws://{address}/api/v1/sessions/{viewer.session_id}/ws"
        async with connect(
            url, sock=_with_small_buffer(strict), additional_headers=strict.headers, max_queue=1,
            max_size=None,
        ) as slow_reader:  # fmt: skip
            await slow_reader.recv()
            message = await viewer.say(flood)
            await viewer.partial(9_000_000, deadline=120)
            received = 0
            with pytest.raises(ConnectionClosed):
                async with asyncio.timeout(30):
                    while True:
                        received += len(await slow_reader.recv())
        assert slow_reader.close_code == 4408
        assert slow_reader.close_reason == "Too slow: reconnect with the last seq that you have."
        assert received < 8_000_000, "the rest was not kept for it"
        end = await viewer.turn_end(message, deadline=120)
        assert end["outcome"] == "completed", "nobody else waited for it"
        again = Viewer(viewer.url, viewer.session_id, viewer.headers)
        async with again:
            assert again.facts == viewer.facts


def _with_small_buffer(stack: Stack) -> socket.socket:
    """A connection for which the kernel keeps little."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.connect(("127.0.0.1", stack.instance.ports[0]))
    connection.setblocking(False)
    return connection


async def test_a_client_ahead_of_the_log_is_told_so(strict: Stack) -> None:
    async with watching(strict) as viewer:
        other = Viewer(viewer.url, viewer.session_id, viewer.headers)
        await viewer.turn(script(say("short")))
        await other.connect(after=1000)
        code, reason = await other.gone()
        assert code == 4409
        assert reason.startswith("You have seq 1000, the log ends at ")
        async with strict.client() as client:
            path = f"/sessions/{viewer.session_id}/events/stream?after=1000"
            answer = await client.get(path)
            assert "You have seq 1000" in answer.text


async def test_another_pages_origin_gets_no_socket(strict: Stack) -> None:
    async with OwnerAccess.open(strict.instance.database_url) as access:
        link = await access.sign_in_link(strict.url)
    async with httpx.AsyncClient(trust_env=False) as browser:
        await browser.post(link)
        cookie = f"csp_session={browser.cookies['csp_session']}"
    async with watching(strict) as viewer:
        ours = {"cookie": cookie, "origin": strict.url}
        async with Viewer(strict.url, viewer.session_id, ours) as own_page:
            assert own_page.hello
        for origin in ("http://evil.example", "null", strict.url + ".evil.example"):
            other = Viewer(strict.url, viewer.session_id, {"cookie": cookie, "origin": origin})
            code, reason = await refused_connection(other)
            assert code == 4400, reason
            assert f"A page of {origin!r} may not act here" in reason


async def test_an_answer_to_a_finished_question_is_refused(strict: Stack) -> None:
    async with watching(strict) as viewer:
        message = await viewer.say(script(bash("echo done"), say("over")))
        question = await viewer.fact("agent.tool_use", evaluated_permission="ask")
        await viewer.fact("session.status_idle")
        await viewer.answer(question, "deny", deny_message="no")
        for _ in range(2):
            late = {
                "type": "user.tool_confirmation", "tool_use_id": question["id"], "result": "allow"
            }  # fmt: skip
            error = await viewer.refusal(await viewer.post(late))
            assert error["type"] == "conflict_error"
            await viewer.turn_end(message)
        none = {"type": "user.tool_confirmation", "tool_use_id": "sevt_none", "result": "allow"}
        assert (await viewer.refusal(await viewer.post(none)))["type"] == "conflict_error"
        assert len(viewer.of("user.tool_confirmation")) == 1


AWKWARD = (
    (r"printf 'a\0b'", "a"),
    (r"printf '\xed\xa0\x80 lone'", "lone"),
    (r"printf '\xff\xfe\xc3( bad'", "bad"),
    (r"printf '\x1b[31mred\x1b[0m\r\n\x08'", "red"),
    # Its end is not there, and that is said with the whole size.
    ("head -c 5000000 /dev/zero | tr '\\0' 'y'; echo the-end", "Output too large (4.8MB)"),
)


async def test_awkward_output_of_a_tool_reaches_the_client_and_the_log(strict: Stack) -> None:
    async with watching(strict) as viewer:
        for command, expected in AWKWARD:
            before = viewer.seq
            message = await viewer.say(script(bash(command), say("survived")))
            await viewer.answer(
                await viewer.fact("agent.tool_use", after=before, evaluated_permission="ask")
            )
            assert (await viewer.turn_end(message))["outcome"] == "completed"
            result = await viewer.fact("agent.tool_result", after=before)
            assert not result["is_error"], result
            assert expected in json.dumps(result["content"])
            assert len(json.dumps(result)) <= 1_000_000
            assert "the-end" not in json.dumps(result)
        assert viewer.text() == "survived" * len(AWKWARD)
