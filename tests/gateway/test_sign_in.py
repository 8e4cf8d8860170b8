"""Who gets in, by which door, and who does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from csp_controlplane.errors import Conflict, InvalidRequest, NotFound
from csp_controlplane.store import keys, users, web_sessions
from csp_controlplane.store.database import Database
from support.gateway_process import GatewayProcess, Person, new_admin, new_member

PASSWORD = "correct horse battery"


async def test_without_credentials_nothing_is_shown(gateway: GatewayProcess) -> None:
    async with httpx.AsyncClient(base_url=f"{gateway.url}/api/v1", trust_env=False) as client:
        for path in ("/me", "/agents", "/environments", "/sessions", "/files", "/api_keys"):
            answer = await client.get(path)
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("scheme", ["x-api-key", "authorization"])
async def test_a_key_is_taken_from_either_header(admin: Person, scheme: str) -> None:
    value = admin.key if scheme == "x-api-key" else f"Bearer {admin.key}"
    async with httpx.AsyncClient(base_url=admin.url, trust_env=False) as client:
        answer = await client.get("/api/v1/me", headers={scheme: value})
    assert answer.status_code == 200
    me = answer.json()
    assert me["user"]["id"] == admin.user.id
    assert me["user"]["role"] == "admin"
    assert me["tenant"]["name"] == admin.user.tenant.upper()
    assert me["scripted_model"] is True
    assert me["models"]
    assert "bypassPermissions" in me["permission_modes"]


async def test_a_revoked_key_is_refused_at_once(admin: Person) -> None:
    async with admin.client() as client:
        made = (await client.post("/api_keys", json={"name": "ci"})).json()
        assert made["key"].startswith("csp_")
        own = {"x-api-key": made["key"]}
        assert (await client.get("/me", headers=own)).status_code == 200
        listed = (await client.get("/api_keys")).json()["data"]
        (shown,) = [key for key in listed if key["id"] == made["id"]]
        assert "key" not in shown
        assert shown["last_used_at"] is not None
        gone = await client.delete(f"/api_keys/{made['id']}")
        assert gone.json() == {"id": made["id"], "type": "api_key_deleted"}
        assert (await client.get("/me", headers=own)).status_code == 401
        assert made["id"] not in (await client.get("/api_keys")).text


async def test_an_expired_key_is_refused(admin: Person, gateway_db: Database) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    _, key = await keys.create_key(
        gateway_db, admin.user.tenant, admin.user.id, "old", expires_at=past
    )
    async with admin.client() as client:
        assert (await client.get("/me", headers={"x-api-key": key})).status_code == 401
        answer = await client.post("/api_keys", json={"name": "x", "expires_at": past.isoformat()})
        assert answer.status_code == 400


async def test_only_the_hash_of_a_key_is_stored(admin: Person, gateway_db: Database) -> None:
    async with gateway_db.tenant(admin.user.tenant) as connection:
        rows = await connection.fetch("select * from api_keys")
    assert admin.key not in str([dict(row) for row in rows])


async def test_looking_at_a_link_does_not_use_it_up(admin: Person, gateway_db: Database) -> None:
    token = await users.create_login_link(gateway_db, admin.user.tenant, admin.user.id)
    async with admin.browser() as preview:
        for method in ("GET", "GET", "HEAD"):
            answer = await preview.request(method, "/login", params={"token": token})
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers
            assert token not in answer.text
        assert (await preview.get("/api/v1/me")).status_code == 401
    async with admin.browser() as browser:
        assert (await browser.post("/login", params={"token": token})).status_code == 303


async def test_another_site_cannot_sign_anybody_in(admin: Person, gateway_db: Database) -> None:
    token = await users.create_login_link(gateway_db, admin.user.tenant, admin.user.id)
    async with admin.browser() as browser:
        answer = await browser.post(
            "/login", params={"token": token}, headers={"origin": "https://evil.example"}
        )
        assert answer.status_code == 403
        assert (await browser.post("/login", params={"token": token})).status_code == 303


async def test_a_link_signs_in_once(admin: Person, gateway_db: Database) -> None:
    token = await users.create_login_link(gateway_db, admin.user.tenant, admin.user.id)
    async with admin.browser() as browser:
        answer = await browser.post("/login", params={"token": token})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert (await browser.get("/api/v1/me")).json()["user"]["id"] == admin.user.id
    async with admin.browser() as browser:
        answer = await browser.post("/login", params={"token": token})
        assert answer.status_code == 401
        assert "csp login" in answer.text
        assert (await browser.get("/api/v1/me")).status_code == 401


async def test_an_expired_link_does_not_sign_in(admin: Person, gateway_db: Database) -> None:
    token = await users.create_login_link(
        gateway_db, admin.user.tenant, admin.user.id, timedelta(seconds=-1)
    )
    async with admin.browser() as browser:
        assert (await browser.post("/login", params={"token": token})).status_code == 401
        assert (await browser.post("/login", params={"token": "x" * 300})).status_code == 400


async def test_a_password_signs_in_and_out(admin: Person, gateway_db: Database) -> None:
    member = await new_member(gateway_db, admin, PASSWORD)
    async with member.browser() as browser:
        body = {"email": member.user.email.upper(), "password": PASSWORD}
        answer = await browser.post("/api/v1/auth/login", json=body)
        assert answer.status_code == 204
        assert (await browser.get("/api/v1/me")).json()["user"]["role"] == "member"
        cookie = dict(browser.cookies)
        assert (await browser.post("/api/v1/auth/logout")).status_code == 204
        browser.cookies.update(cookie)
        assert (await browser.get("/api/v1/me")).status_code == 401


async def test_wrong_passwords_are_throttled_even_the_right_one(
    admin: Person, gateway_db: Database
) -> None:
    member = await new_member(gateway_db, admin, PASSWORD)
    async with member.browser() as browser:
        for _ in range(3):
            body = {"email": member.user.email, "password": "wrong wrong wrong"}
            answer = await browser.post("/api/v1/auth/login", json=body)
            assert answer.status_code == 401
            assert answer.json()["error"]["message"] == "The address or the password is wrong."
        body = {"email": member.user.email, "password": PASSWORD}
        answer = await browser.post("/api/v1/auth/login", json=body)
        assert answer.status_code == 429
        assert answer.json()["error"]["type"] == "rate_limit_error"
        assert int(answer.headers["retry-after"]) > 0


async def test_an_unknown_address_is_answered_like_a_wrong_password(admin: Person) -> None:
    async with admin.browser() as browser:
        body = {"email": f"nobody@{admin.user.tenant}.example", "password": PASSWORD}
        answer = await browser.post("/api/v1/auth/login", json=body)
        assert answer.status_code == 401
        assert answer.json()["error"]["message"] == "The address or the password is wrong."


async def test_a_user_without_password_cannot_use_one(admin: Person) -> None:
    async with admin.browser() as browser:
        body = {"email": admin.user.email, "password": PASSWORD}
        assert (await browser.post("/api/v1/auth/login", json=body)).status_code == 401


async def _signed_in(browser: httpx.AsyncClient, person: Person, db: Database) -> None:
    token = await users.create_login_link(db, person.user.tenant, person.user.id)
    assert (await browser.post("/login", params={"token": token})).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "file://"},
    ],
)
async def test_another_origin_cannot_write_with_the_cookie(
    admin: Person, gateway_db: Database, headers: dict[str, str]
) -> None:
    async with admin.browser() as browser:
        await _signed_in(browser, admin, gateway_db)
        answer = await browser.post("/api/v1/agents", json={"name": "x"}, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["error"]["type"] == "permission_error"
        assert (await browser.post("/api/v1/agents", json={"name": "x"})).status_code == 200


async def test_without_an_origin_the_browser_says_where_it_comes_from(
    admin: Person, gateway_db: Database
) -> None:
    async with admin.browser() as browser:
        await _signed_in(browser, admin, gateway_db)
        del browser.headers["origin"]
        answer = await browser.post(
            "/api/v1/agents", json={"name": "x"}, headers={"sec-fetch-site": "cross-site"}
        )
        assert answer.status_code == 403


async def test_a_key_needs_no_origin(admin: Person) -> None:
    async with admin.client() as client:
        answer = await client.post(
            "/agents", json={"name": "x"}, headers={"origin": "https://other.example"}
        )
    assert answer.status_code == 200


async def test_a_bad_key_is_not_rescued_by_a_cookie(admin: Person, gateway_db: Database) -> None:
    async with admin.browser() as browser:
        await _signed_in(browser, admin, gateway_db)
        answer = await browser.get("/api/v1/me", headers={"x-api-key": "csp_wrong"})
        assert answer.status_code == 401


async def test_an_expired_cookie_signs_nobody_in(admin: Person, gateway_db: Database) -> None:
    token = await web_sessions.create_web_session(
        gateway_db, admin.user.tenant, admin.user.id, timedelta(seconds=-1), "link"
    )
    async with admin.browser() as browser:
        browser.cookies.set("csp_session", token)
        assert (await browser.get("/api/v1/me")).status_code == 401


async def test_a_disabled_user_is_out_at_once(admin: Person, gateway_db: Database) -> None:
    member = await new_member(gateway_db, admin)
    async with gateway_db.tenant(member.user.tenant) as connection:
        await connection.execute(
            "update users set disabled_at = now() where id = $1", member.user.id
        )
    async with member.client() as client:
        assert (await client.get("/me")).status_code == 401


async def test_the_first_start_can_be_repeated(
    gateway_db: Database, gateway: GatewayProcess
) -> None:
    first = await new_admin(gateway_db, gateway.url)
    again = await new_admin(gateway_db, gateway.url, first.user.tenant)
    assert again.user.id == first.user.id
    async with again.client() as client:
        (agent,) = (await client.get("/agents")).json()["data"]
        (environment,) = (await client.get("/environments")).json()["data"]
    assert agent["name"] == "Assistant"
    assert environment["name"] == "local"


async def test_users_are_added_with_checks(admin: Person, gateway_db: Database) -> None:
    tenant = admin.user.tenant
    with pytest.raises(Conflict):
        await users.create_user(gateway_db, tenant, email=admin.user.email.upper(), name="x")
    with pytest.raises(NotFound):
        await users.create_user(gateway_db, "t-none", email="x@none.example", name="x")
    for email in ("nobody", "a b@c.example", "@c.example"):
        with pytest.raises(InvalidRequest):
            await users.create_user(gateway_db, tenant, email=email, name="x")
    with pytest.raises(InvalidRequest):
        await web_sessions.set_password(gateway_db, tenant, admin.user.id, "short")
    await web_sessions.set_password(gateway_db, tenant, admin.user.id, PASSWORD)
    found = await web_sessions.check_password(gateway_db, admin.user.email, PASSWORD)
    assert found is not None
    assert found.id == admin.user.id
