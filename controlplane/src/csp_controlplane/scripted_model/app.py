"""The HTTP application of the scripted model: routes, errors and headers as the API has them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from csp_controlplane.scripted_model.answers import Failure, Hang, Message
from csp_controlplane.scripted_model.catalogue import model, models
from csp_controlplane.scripted_model.choose import Chooser
from csp_controlplane.scripted_model.http_answers import (
    Refused,
    api_headers,
    json_response,
    not_served,
    refused,
)
from csp_controlplane.scripted_model.recorder import Recorder
from csp_controlplane.scripted_model.settings import ScriptedSettings
from csp_controlplane.scripted_model.streaming import EventStream
from csp_controlplane.scripted_model.turns import read_turn
from csp_controlplane.scripted_model.usage import input_tokens
from csp_controlplane.scripted_model.wire import stream, whole

_MAX_BODY = 32 * 1024 * 1024


class ScriptedModel:
    """The endpoints."""

    def __init__(self, settings: ScriptedSettings) -> None:
        self._settings = settings
        self._chooser = Chooser(settings)
        self._recorder = Recorder(settings.record_requests)

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/messages", self.messages, methods=["POST"]),
                Route("/v1/messages/count_tokens", self.count_tokens, methods=["POST"]),
                Route("/v1/models", self.list_models, methods=["GET"]),
                Route("/v1/models/{model}", self.get_model, methods=["GET"]),
                Route("/api/hello", self.hello, methods=["GET", "HEAD"]),
                Route("/_requests", self.requests, methods=["GET"]),
                Route("/_reset", self.reset, methods=["POST"]),
            ],
            exception_handlers={Refused: refused, HTTPException: not_served},
        )

    async def messages(self, request: Request) -> ASGIApp:
        body, entry = await self._body(request)
        for name, kind in (("model", str), ("max_tokens", int), ("messages", list)):
            if name not in body:
                raise Refused(Failure(400, f"{name}: Field required"))
            if not isinstance(body[name], kind):
                raise Refused(Failure(400, f"{name}: Input should be a valid {kind.__name__}"))
        session = request.headers.get("x-claude-code-session-id", "")
        answer = self._chooser.answer(read_turn(body, session))
        match answer:
            case Failure():
                await asyncio.sleep(answer.before_s)
                raise Refused(answer)
            case Hang():
                return _Silence(answer.seconds)
            case Message():
                return self._message(answer, body, entry)

    def _message(self, message: Message, body: Mapping[str, Any], entry: dict[str, Any]) -> ASGIApp:
        headers = {**api_headers(), **message.headers}
        if body.get("stream") is True:
            word_s = self._settings.word_delay_ms / 1000
            ended = partial(entry.__setitem__, "ended")
            return EventStream(message, stream(message, body), headers, word_s, ended)
        waiting = message.before_s + (message.ending_s if message.ending == "stall" else 0)
        return _Later(waiting, json_response(whole(message, body), headers))

    async def count_tokens(self, request: Request) -> Response:
        body, _ = await self._body(request)
        return json_response(orjson.dumps({"input_tokens": input_tokens(body)}), api_headers())

    async def list_models(self, request: Request) -> Response:
        self._authenticate(request)
        return json_response(orjson.dumps(models()), api_headers())

    async def get_model(self, request: Request) -> Response:
        self._authenticate(request)
        found = model(request.path_params["model"])
        if found is None:
            raise Refused(Failure(404, f"model: {request.path_params['model']}"))
        return json_response(orjson.dumps(found), api_headers())

    async def hello(self, _request: Request) -> Response:
        return json_response(orjson.dumps({"message": "hello"}), api_headers())

    async def requests(self, _request: Request) -> Response:
        return json_response(orjson.dumps(self._recorder.entries()), {})

    async def reset(self, _request: Request) -> Response:
        self._recorder.clear()
        self._chooser.happened.clear()
        return json_response(b"{}", {})

    async def _body(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """The request's JSON, and its entry among the recorded requests."""
        raw = await _read(request)
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            body = None
            problem = f"The request body is not valid JSON: {error}"
        else:
            problem = "The request body is not a JSON object."
        known = body if isinstance(body, dict) else {}
        entry = self._recorder.add(
            request.method, request.url.path, request.headers, known, len(raw)
        )
        self._authenticate(request)
        if not isinstance(body, dict):
            raise Refused(Failure(400, problem))
        return body, entry

    def _authenticate(self, request: Request) -> None:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        key = request.headers.get("x-api-key") or bearer
        if not key:
            raise Refused(Failure(401, "x-api-key header is required"))
        if self._settings.api_key is not None and key != self._settings.api_key:
            raise Refused(Failure(401, "invalid x-api-key"))


class _Silence:
    """Nothing is sent until the client leaves or the time is over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return


class _Later:
    """Another answer, after a while."""

    def __init__(self, seconds: float, answer: ASGIApp) -> None:
        self._seconds = seconds
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(self._seconds)
        await self._answer(scope, receive, send)


async def _read(request: Request) -> bytes:
    """The body, up to the API's limit."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > _MAX_BODY:
            raise Refused(Failure(413, "Request exceeds the maximum size"))
        parts.append(part)
    return b"".join(parts)
