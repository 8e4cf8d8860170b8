"""Who may open a session's WebSocket, and what is refused on it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from csp_controlplane.store import users
from csp_controlplane.store.database import Database
from support.gateway_process import Person
from support.session_api import message, new_session

CLOSED_S = 20.0


def socket_url(person: Person, session: str, query: str = "") -> str:
    return f"{person.url.replace('http', 'ws')}/api/v1/sessions/{session}/ws{query}"


async def close_code(socket: ClientConnection) -> int:
    """Reads until the gateway closes."""
    try:
        async with asyncio.timeout(CLOSED_S):
            while True:
                await socket.recv()
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return closed.rcvd.code


async def received(socket: ClientConnection) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(await socket.recv())
    return body


async def signed_in_cookie(person: Person, db: Database) -> str:
    token = await users.create_login_link(db, person.user.tenant, person.user.id)
    async with person.browser() as browser:
        answer = await browser.post("/login", params={"token": token})
    return str(answer.headers["set-cookie"]).split(";")[0]


async def test_a_key_opens_the_socket_and_it_says_hello(
    admin: Person, api: httpx.AsyncClient
) -> None:
    session = await new_session(api)
    headers = {"x-api-key": admin.key}
    async with connect(socket_url(admin, session), additional_headers=headers) as socket:
        hello = await received(socket)
        assert hello["type"] == "hello"
        assert hello["session"]["id"] == session
        assert hello["gateway"] == "gateway-test"
        body = {"type": "send", "client_id": "c1", "events": [message("hello")]}
        await socket.send(json.dumps(body))
        while (answer := await received(socket))["type"] != "ack":
            pass
        assert answer["client_id"] == "c1"
        assert answer["data"][0]["type"] == "user.message"


async def test_a_cookie_opens_it_on_the_own_page_only(
    admin: Person, api: httpx.AsyncClient, gateway_db: Database
) -> None:
    session = await new_session(api)
    headers = {"cookie": await signed_in_cookie(admin, gateway_db)}
    url = socket_url(admin, session)
    async with connect(url, additional_headers=headers, origin=admin.url) as socket:  # type: ignore[arg-type]
        assert (await received(socket))["type"] == "hello"
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        async with connect(url, additional_headers=headers, origin=origin) as socket:  # type: ignore[arg-type]
            assert await close_code(socket) == 4400


async def test_without_credentials_it_is_closed(admin: Person, api: httpx.AsyncClient) -> None:
    session = await new_session(api)
    for headers in ({}, {"x-api-key": "csp_wrong"}, {"cookie": "csp_session=wrong"}):
        async with connect(socket_url(admin, session), additional_headers=headers) as socket:
            assert await close_code(socket) == 4401


async def test_a_foreign_session_closes_like_an_unknown_one(
    api: httpx.AsyncClient, stranger: Person, member: Person
) -> None:
    session = await new_session(api)
    for other in (stranger, member):
        headers = {"x-api-key": other.key}
        for id_ in (session, "sesn_unknown"):
            url = socket_url(other, id_)
            async with connect(url, additional_headers=headers) as socket:
                assert await close_code(socket) == 4404


async def test_ten_megabytes_close_it(admin: Person, api: httpx.AsyncClient) -> None:
    session = await new_session(api)
    headers = {"x-api-key": admin.key}
    async with connect(socket_url(admin, session), additional_headers=headers) as socket:
        with suppress(ConnectionClosed):  # it may be closed before everything is sent
            await socket.send(json.dumps({"type": "send", "text": "x" * 10 * 1024 * 1024}))
        assert await close_code(socket) == 1009


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"type":"dance"}', '{"type":"send","events":[]}',
     '{"type":"send","client_id":"c","events":[{"type":"agent.message"}]}',
     '{"type":"send","client_id":"c","events":[{"type":"user.shout"}]}'],
)  # fmt: skip
async def test_a_bad_message_is_answered_and_the_socket_lives(
    admin: Person, api: httpx.AsyncClient, text: str
) -> None:
    session = await new_session(api)
    headers = {"x-api-key": admin.key}
    async with connect(socket_url(admin, session), additional_headers=headers) as socket:
        await socket.send(text)
        while (answer := await received(socket))["type"] != "error":
            pass
        assert answer["error"]["type"] == "invalid_request_error"
        await socket.send('{"type":"ping"}')
        while (await received(socket))["type"] != "pong":
            pass


@pytest.mark.parametrize("query", ["?after=x", "?tail=-1", "?preview=a:b"])
async def test_a_bad_place_to_resume_is_refused(
    admin: Person, api: httpx.AsyncClient, query: str
) -> None:
    session = await new_session(api)
    headers = {"x-api-key": admin.key}
    async with connect(socket_url(admin, session, query), additional_headers=headers) as socket:
        assert await close_code(socket) == 4400


async def test_a_client_ahead_of_the_log_is_told(admin: Person, api: httpx.AsyncClient) -> None:
    session = await new_session(api)
    headers = {"x-api-key": admin.key}
    url = socket_url(admin, session, "?after=1000000")
    async with connect(url, additional_headers=headers) as socket:
        assert await close_code(socket) == 4409
