"""Signing in and out. `/login` is for people and answers with a page, the rest with JSON.

Opening a one-time link shows a button, and only the button uses the link up: chats that preview
links, scanners of mail and browsers that fetch ahead all open what they find.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from csp_controlplane.errors import RateLimited, Unauthenticated
from csp_controlplane.gateway.limits import SignInThrottle
from csp_controlplane.gateway.pages import message_page
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.schemas.people import Login
from csp_controlplane.gateway.security import COOKIE, check_origin, clear_cookie, set_cookie
from csp_controlplane.gateway.state import GatewayState, state_of
from csp_controlplane.store import users, web_sessions

log = structlog.get_logger(__name__)
router = APIRouter(prefix=f"{API}/auth", tags=["sign-in"])
links = APIRouter(include_in_schema=False)

Token = Annotated[str, Query(max_length=200)]

_ASKED = "This link lets you in once."
_REFUSED = (
    "This sign-in link is used up or too old. Make a new one with `csp login` and open it once."
)


@router.post("/login", status_code=204)
async def sign_in(request: Request, body: Login) -> Response:
    """Checks the password and sets the cookie."""
    state = state_of(request)
    check_origin(request.headers, state.settings)
    throttle = SignInThrottle(state.counters, state.settings.sign_in_failures)
    client = request.client.host if request.client else "unknown"
    try:
        await throttle.check(body.email, client)
    except RateLimited:
        state.metrics.sign_ins.labels("password", "throttled").inc()
        raise
    # Counted before the slow comparison: attempts in parallel gain nothing.
    await throttle.failed(body.email, client)
    user = await web_sessions.check_password(state.db, body.email, body.password)
    if user is None:
        state.metrics.sign_ins.labels("password", "failure").inc()
        log.warning("sign_in_failed", client=client)
        raise Unauthenticated("The address or the password is wrong.")
    await throttle.succeeded(body.email)
    response = Response(status_code=204)
    await _let_in(state, response, user.tenant, user.id, "password")
    return response


@router.post("/logout", status_code=204)
async def sign_out(request: Request) -> Response:
    """Ends this browser's session. Without one it does nothing."""
    state = state_of(request)
    check_origin(request.headers, state.settings)
    response = Response(status_code=204)
    token = request.cookies.get(COOKIE)
    if token:
        who = await web_sessions.find_web_session(state.db, token)
        if who is not None:
            await web_sessions.end_web_session(state.db, who.tenant, token)
    clear_cookie(response, state.settings)
    return response


@links.get("/login")
async def open_link(token: Token = "") -> Response:
    """A one-time link as it is opened: a page that asks. Without a token the page itself does."""
    if not token:
        return RedirectResponse("/", 303)
    page = message_page("Sign in", _ASKED, button="Sign in")
    # With the policy of other pages the button's request would come from the origin "null".
    return HTMLResponse(page, headers={"referrer-policy": "strict-origin"})


@links.post("/login")
async def follow_link(request: Request, token: Token = "") -> Response:
    """The button: uses the link up, signs in and goes to the page."""
    state = state_of(request)
    check_origin(request.headers, state.settings)
    found = await users.redeem_login_link(state.db, token)
    if found is None:
        state.metrics.sign_ins.labels("link", "failure").inc()
        return HTMLResponse(message_page("This link does not work any more", _REFUSED), 401)
    response = RedirectResponse("/", 303)
    await _let_in(state, response, found[0], found[1], "link")
    return response


async def _let_in(
    state: GatewayState, response: Response, tenant: str, user_id: str, method: str
) -> None:
    ttl = timedelta(days=state.settings.sign_in_days)
    token = await web_sessions.create_web_session(state.db, tenant, user_id, ttl, method)
    set_cookie(response, token, state.settings)
    state.metrics.sign_ins.labels(method, "success").inc()
    log.info("signed_in", user_id=user_id, method=method)
