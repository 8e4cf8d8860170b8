"""What keeps a browser from being turned against its user: Origin check, headers, cookie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response

from csp_controlplane.errors import Forbidden
from csp_controlplane.gateway.settings import GatewaySettings

COOKIE: Final = "csp_session"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def page_policy(scripts: Iterable[str] = ()) -> str:
    """The content security policy of a page; `scripts` are hashes of those in the page itself."""
    return "; ".join(
        (
            "default-src 'self'",
            " ".join(("script-src 'self'", *scripts)),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "frame-src 'self' blob:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


PAGE_POLICY: Final = page_policy()
"""Of everything that has no policy of its own."""

CONTENT_POLICY: Final = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; sandbox; "
    "frame-ancestors 'self'"
)
"""Of files that users or agents made: whatever they contain, no script of theirs runs here."""

HEADERS: Final[tuple[tuple[str, str], ...]] = (
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
)


def check_origin(headers: Headers, settings: GatewaySettings) -> None:
    """Raises Forbidden when a page of another origin made the request.

    Browsers name the origin on every WebSocket and every write; programs that are no browsers
    usually name none, and have no cookie that could be abused.
    """
    origin = headers.get("origin")
    if origin is None:
        if headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none"):
            return
        raise Forbidden("This request comes from another site. Open the page itself and try again.")
    if _origin(origin) not in _own_origins(headers, settings):
        raise Forbidden(
            f"A page of {origin[:200]!r} may not act here. If this is your own address, set "
            "CSP_PUBLIC_URL or CSP_GATEWAY_ALLOWED_ORIGINS to it."
        )


def _own_origins(headers: Headers, settings: GatewaySettings) -> set[str]:
    own = {_origin(allowed) for allowed in settings.allowed_origins}
    if settings.public_url:
        own.add(_origin(settings.public_url))
    if host := headers.get("host"):
        # Cookies belong to a host, so a page of the same host has them anyway.
        own |= {_origin(f"http://{host}"), _origin(f"https://{host}")}
    own.discard("")
    return own


def _origin(text: str) -> str:
    """scheme://host:port with the port written out; "" for what is no origin."""
    try:
        parts = urlsplit(text)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}"


def set_cookie(response: Response, token: str, settings: GatewaySettings) -> None:
    """Signs this browser in."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=settings.sign_in_days * 86_400,
        path="/",
        httponly=True,
        samesite="lax",
        secure=settings.secure_cookies,
    )


def clear_cookie(response: Response, settings: GatewaySettings) -> None:
    """Signs this browser out."""
    response.delete_cookie(
        COOKIE, path="/", httponly=True, samesite="lax", secure=settings.secure_cookies
    )
