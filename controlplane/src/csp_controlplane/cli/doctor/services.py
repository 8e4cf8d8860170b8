"""Checks of what csp talks to: database, cache, model."""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg
import httpx

from csp_controlplane.cli.doctor.finding import Finding, fail, ok, warn
from csp_controlplane.supervisor import lock, valkey
from csp_controlplane.supervisor.errors import CommandError
from csp_controlplane.supervisor.layout import Layout

MODEL_URL = "https://api.anthropic.com"
TIMEOUT_S = 10.0


async def stores(layout: Layout, environment: Mapping[str, str]) -> list[Finding]:
    """Database and cache: those named by settings, and those of a running csp."""
    instance = lock.read_instance(layout) if lock.is_held(layout) else None
    database = environment.get("CSP_DATABASE_URL") or (instance.database_url if instance else "")
    redis = environment.get("CSP_REDIS_URL") or (instance.redis_url if instance else "")
    findings = []
    if database:
        findings.append(await _database(database))
    if redis:
        try:
            await valkey.check_external(redis)
            findings.append(ok("cache", "answers"))
        except CommandError as error:
            findings.append(fail("cache", "does not answer", error.message))
    return findings


async def _database(url: str) -> Finding:
    try:
        connection = await asyncpg.connect(url, timeout=TIMEOUT_S)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return fail(
            "database",
            f"does not answer: {error}",
            "Check CSP_DATABASE_URL, and that the server runs and lets this user in.",
        )
    try:
        version = str(await connection.fetchval("show server_version"))
    finally:
        await connection.close()
    if int(version.split(".")[0]) < 15:
        return fail("database", f"PostgreSQL {version}", "Use PostgreSQL 15 or newer.")
    return ok("database", f"PostgreSQL {version} answers")


async def model(environment: Mapping[str, str]) -> Finding:
    """Is there a key, and does the model's API accept it?"""
    key = environment.get("CSP_PROXY_API_KEY") or environment.get("ANTHROPIC_API_KEY")
    if not key:
        return warn(
            "model",
            "no API key: answers are scripted",
            "Set ANTHROPIC_API_KEY for a real model.",
        )
    url = (environment.get("CSP_PROXY_UPSTREAM_URL") or MODEL_URL).rstrip("/")
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            answer = await client.get(f"{url}/v1/models", params={"limit": 1}, headers=headers)
    except httpx.HTTPError as error:
        return fail(
            "model",
            f"{url} cannot be reached ({type(error).__name__})",
            "Check the network, HTTPS_PROXY, and CSP_PROXY_UPSTREAM_URL.",
        )
    if answer.status_code in (401, 403):
        return fail("model", f"{url} refuses the API key", "Correct ANTHROPIC_API_KEY.")
    if answer.status_code >= 400:
        return warn("model", f"{url} answers {answer.status_code}", "Try again in a moment.")
    return ok("model", f"{url} accepts the API key")
