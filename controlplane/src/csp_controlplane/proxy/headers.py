"""Which headers pass through the proxy, in both directions. Pure functions over raw headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

RawHeaders = list[tuple[bytes, bytes]]

# RFC 9110, section 7.6.1: these belong to one connection.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# The worker's own credentials, and what the proxy's HTTP client writes itself.
_NOT_UPSTREAM = _HOP_BY_HOP | {
    b"host",
    b"content-length",
    b"content-encoding",
    b"expect",
    b"authorization",
    b"x-api-key",
    b"cookie",
    b"accept-encoding",
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-real-ip",
}
# What the proxy's own server writes, and what is between the provider and this installation.
_NOT_DOWNSTREAM = _HOP_BY_HOP | {b"content-length", b"date", b"server", b"set-cookie"}


def handle_of(headers: Mapping[str, str]) -> str | None:
    """The session handle: the CLI sends it as an API key, or as a bearer token."""
    key = headers.get("x-api-key", "").strip()
    if key:
        return key
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def to_upstream(headers: RawHeaders, api_key: str) -> list[tuple[str, str]]:
    """The worker's headers with the key in the place of its handle. Answers come uncompressed,
    so that usage can be read out of them."""
    dropped = _NOT_UPSTREAM | _named_by_connection(headers)
    passed = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in headers if k not in dropped]
    return [*passed, ("x-api-key", api_key), ("accept-encoding", "identity")]


def to_client(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """The provider's headers, request id and rate limits included."""
    lowered = [(name.lower(), value) for name, value in headers]
    dropped = _NOT_DOWNSTREAM | _named_by_connection(lowered)
    return [(name, value) for name, value in lowered if name not in dropped]


def _named_by_connection(headers: RawHeaders) -> frozenset[bytes]:
    named: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            named.update(part.strip().lower() for part in value.split(b","))
    return frozenset(named)
