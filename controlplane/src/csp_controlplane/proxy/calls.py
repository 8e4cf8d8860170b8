"""What a worker asks for: reads and checks one request before anything is done for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import orjson
from starlette.requests import Request

from csp_controlplane.proxy import refusals
from csp_controlplane.proxy.accounts import hash_handle
from csp_controlplane.proxy.headers import RawHeaders, handle_of
from csp_controlplane.proxy.ledger import Handle
from csp_controlplane.proxy.settings import ProxySettings

# No model writes more; a request may ask for less but not reserve more.
_MOST_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be passed on."""

    handle: Handle
    path: str
    query: str
    headers: RawHeaders
    body: bytes
    model: str
    max_tokens: int
    streamed: bool


def authenticate(request: Request) -> Handle:
    """Whose it claims to be. Raises Refusal if it does not say."""
    handle = handle_of(request.headers)
    if handle is None:
        raise refusals.no_handle()
    return Handle(hash_handle(handle), request.client.host if request.client else None)


async def read_call(request: Request, settings: ProxySettings) -> Call:
    """Raises Refusal for a request that the provider should not see."""
    handle = authenticate(request)
    body = await _body(request, settings.max_body_bytes)
    asked = _parse(body)
    model = asked.get("model")
    if not isinstance(model, str) or not model:
        raise refusals.malformed("model: Field required")
    if not any(fnmatchcase(model, pattern) for pattern in settings.models):
        raise refusals.model_not_allowed(model, settings.models)
    max_tokens = asked.get("max_tokens", 0)
    whole = isinstance(max_tokens, int) and not isinstance(max_tokens, bool)
    return Call(
        handle=handle,
        path=request.url.path,
        query=request.scope["query_string"].decode("latin-1"),
        headers=request.scope["headers"],
        body=body,
        model=model,
        max_tokens=min(max(max_tokens, 0), _MOST_TOKENS) if whole else 0,
        streamed=asked.get("stream") is True,
    )


def declared_size(request: Request) -> float:
    """Of the body; without end when the request does not say."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdigit() and len(declared) < 20 else math.inf


async def _body(request: Request, limit: int) -> bytes:
    if request.headers.get("content-encoding", "identity") != "identity":
        raise refusals.malformed("content-encoding: send the request uncompressed")
    if declared_size(request) > limit and "content-length" in request.headers:
        raise refusals.too_large(limit)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise refusals.too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise refusals.malformed(f"The request body is not valid JSON: {error}") from error
    if not isinstance(asked, dict):
        raise refusals.malformed("The request body is not a JSON object.")
    return asked
