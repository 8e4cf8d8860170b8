"""What a request costs, how it is recorded, and how the session learns of it."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import anthropic
import pytest
from anthropic import AsyncAnthropic
from anthropic.types.beta.beta_managed_agents_session_usage_event import (
    BetaManagedAgentsSessionUsageEvent,
)
from redis.asyncio import Redis

from csp_controlplane.proxy.prices import PriceTable
from csp_controlplane.proxy.usage import read_usage
from support.models import (
    MODEL,
    BoundSession,
    ProxyServer,
    ScriptedServer,
    body,
    metric,
    post,
    recorded,
    requests_of,
    script,
    usage_events,
)
from support.waiting import wait_until

USAGE = {
    "input_tokens": 1000,
    "output_tokens": 200,
    "cache_read_input_tokens": 5000,
    "cache_creation_input_tokens": 300,
}
# Opus 5.5: 4 in, 20 out, 0.2 cache read, 5 cache write, dollars per million tokens.
COST = 1000 * 4 + 200 * 20 + 1000 + 300 * 5


async def settled(url: str, session: str, count: int = 1) -> list[dict]:  # type: ignore[type-arg]
    async def all_settled() -> list[dict] | None:  # type: ignore[type-arg]
        rows = await requests_of(url, session)
        done = len(rows) == count and all(row["status"] != "reserved" for row in rows)
        return rows if done else None

    return await wait_until(all_settled, what="all requests settled") or []


@pytest.mark.parametrize("streamed", [True, False])
async def test_usage_and_cost_are_recorded(
    worker: AsyncAnthropic, session: BoundSession, database_url: str, streamed: bool
) -> None:
    asked = body(script({"t": "text", "text": "word ", "n": 50, "usage": USAGE}))
    if streamed:
        async with worker.messages.stream(**asked) as stream:
            await stream.until_done()
    else:
        await worker.messages.create(**asked)
    (row,) = await settled(database_url, session.id)
    assert row["status"] == "settled"
    assert row["http_status"] == 200
    assert row["model"] == MODEL
    assert row["epoch"] == session.epoch
    assert {name: row[name] for name in USAGE} == USAGE
    assert row["cost_microusd"] == COST
    assert row["reserved_microusd"] >= row["cost_microusd"]
    assert row["user_id"].startswith("user_")


async def test_session_log_tells_the_cumulative_usage(
    worker: AsyncAnthropic, session: BoundSession, database_url: str, redis_url: str
) -> None:
    redis = Redis.from_url(redis_url)
    async with redis.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(f"csp:log:{session.id}")
        for count in (1, 2):
            await worker.messages.create(**body(script({"t": "text", "usage": USAGE})))
            await settled(database_url, session.id, count)

        async def both() -> list[dict] | None:  # type: ignore[type-arg]
            events = await usage_events(database_url, session.id)
            return events if len(events) == 2 else None

        first, second = await wait_until(both, what="two usage events") or []
        announced: list[int] = []
        while len(announced) < 2:
            message = await heard.get_message(timeout=5)
            if message is not None:
                announced.append(int(message["data"]))
    await redis.aclose()
    assert announced == [first["seq"], second["seq"]] == [1, 2]
    assert list(first)[1:4] == ["id", "type", "processed_at"]
    assert first["usage"]["cost_microusd"] == COST
    assert second["usage"] == {
        "input_tokens": 2000,
        "output_tokens": 400,
        "cache_read_input_tokens": 10000,
        "cache_creation": {"ephemeral_5m_input_tokens": 600, "ephemeral_1h_input_tokens": 0},
        "list_cost": {"amount": str(round(2 * COST / 10_000)), "currency": "USD"},
        "cost_microusd": 2 * COST,
    }
    BetaManagedAgentsSessionUsageEvent.model_validate(second)


async def test_refused_and_failed_requests_cost_nothing(
    worker: AsyncAnthropic, session: BoundSession, database_url: str
) -> None:
    for status in (400, 429, 500, 529):
        with pytest.raises(anthropic.APIStatusError) as failed:
            await worker.messages.create(**body(script({"t": "err", "status": status})))
        assert failed.value.status_code == status
    rows = await settled(database_url, session.id, 4)
    assert [row["http_status"] for row in rows] == [400, 429, 500, 529]
    assert [row["cost_microusd"] for row in rows] == [0, 0, 0, 0]
    assert await usage_events(database_url, session.id) == []


async def test_error_body_and_retry_header_pass_unchanged(worker: AsyncAnthropic) -> None:
    step = {"t": "err", "status": 429, "msg": "slow down", "headers": {"retry-after": "7"}}
    with pytest.raises(anthropic.RateLimitError) as limited:
        await worker.messages.create(**body(script(step)))
    assert limited.value.response.headers["retry-after"] == "7"
    assert limited.value.body["error"] == {  # type: ignore[index]
        "type": "rate_limit_error",
        "message": "slow down",
    }


async def test_cut_stream_is_cut_for_the_worker_and_charged_as_far_as_it_was_seen(
    proxy: ProxyServer, session: BoundSession, database_url: str
) -> None:
    step = {"t": "cut", "text": "twelve bytes", "n": 30, "usage": {"input_tokens": 5000}}
    received = b""
    asked = body(script(step), stream=True, max_tokens=10_000)
    async with post(proxy.url, session.handle, asked) as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            async for data in response.content.iter_any():
                received += data
    assert received.count(b"twelve bytes") == 30
    assert b"message_stop" not in received
    (row,) = await settled(database_url, session.id)
    assert row["input_tokens"] == 5000
    assert 30 <= row["output_tokens"] <= 200
    assert row["cost_microusd"] == 5000 * 4 + row["output_tokens"] * 20
    assert row["cost_microusd"] < row["reserved_microusd"]


async def test_worker_that_leaves_stops_the_provider_and_pays_for_what_it_saw(
    proxy: ProxyServer, scripted: ScriptedServer, session: BoundSession, database_url: str
) -> None:
    step = {"t": "stall", "n": 3, "secs": 30, "usage": {"input_tokens": 700}}
    async with post(proxy.url, session.handle, body(script(step), stream=True)) as response:
        await response.content.readany()

    async def left() -> bool:
        return (await recorded(scripted.url))[-1].get("ended") == "client_left"

    await wait_until(left, deadline=5, what="the provider sees the connection close")
    (row,) = await settled(database_url, session.id)
    assert row["input_tokens"] == 700
    assert 0 < row["cost_microusd"] < row["reserved_microusd"]


async def test_reservation_of_a_killed_proxy_is_charged_at_its_maximum(
    scripted: ScriptedServer, session: BoundSession, database_url: str, redis_url: str
) -> None:
    with ProxyServer(
        scripted.url, database_url, redis_url, reservation_minutes="0.01", sweep_seconds="0.1"
    ) as proxy:
        step = {"t": "stall", "n": 3, "secs": 30}
        async with post(proxy.url, session.handle, body(script(step), stream=True)) as response:
            await response.content.readany()
            proxy.process.kill()
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.content.read()
        (row,) = await requests_of(database_url, session.id)
        assert row["status"] == "reserved"
        proxy.start()
        (row,) = await settled(database_url, session.id)
    assert row["status"] == "expired"
    assert row["cost_microusd"] == row["reserved_microusd"] > 0
    (event,) = await usage_events(database_url, session.id)
    assert event["usage"]["cost_microusd"] == row["reserved_microusd"]


async def test_unknown_model_costs_as_much_as_the_dearest_and_the_log_says_so(
    worker: AsyncAnthropic, proxy: ProxyServer, session: BoundSession, database_url: str
) -> None:
    asked = body(script({"t": "text", "usage": USAGE}), model="claude-nova-9")
    await worker.messages.create(**asked)
    (row,) = await settled(database_url, session.id)
    table = PriceTable.load()
    assert row["cost_microusd"] == table.cost_microusd(table.dearest.model, read_usage(USAGE))
    assert "claude-nova-9" in proxy.process.log.read_text()


async def test_cost_metric_counts_dollars_by_model(
    worker: AsyncAnthropic, proxy: ProxyServer, session: BoundSession, database_url: str
) -> None:
    name = 'csp_api_cost_usd_total{model="claude-haiku-4-5"}'
    before = await metric(proxy, name)
    asked = body(script({"t": "text", "usage": USAGE}), model="claude-haiku-4-5-20251001")
    await worker.messages.create(**asked)
    await settled(database_url, session.id)
    added = await metric(proxy, name) - before
    assert added == pytest.approx((1000 + 200 * 5 + 500 + 300 * 1.25) / 1e6)


async def test_requests_of_one_session_may_overlap(
    worker: AsyncAnthropic, session: BoundSession, database_url: str
) -> None:
    asked = body(script({"t": "text", "usage": USAGE}))
    await asyncio.gather(*(worker.messages.create(**asked) for _ in range(10)))
    rows = await settled(database_url, session.id, 10)
    assert sum(row["cost_microusd"] for row in rows) == 10 * COST

    async def told() -> bool:
        events = await usage_events(database_url, session.id)
        return bool(events) and events[-1]["usage"]["cost_microusd"] == 10 * COST

    await wait_until(told, what="the last usage event holds everything")


async def test_answer_passes_through_byte_for_byte(
    scripted: ScriptedServer, proxy: ProxyServer, session: BoundSession
) -> None:
    steps = {"t": "tool", "text": "ünï ", "tools": [{"name": "Bash", "input": {"command": "ls"}}]}
    asked = body(script(steps), stream=True, tools=[{"name": "Bash", "input_schema": {}}])
    shapes = []
    for url in (scripted.url, proxy.url):
        async with post(url, session.handle, asked) as response:
            events = (await response.text()).split("\n\n")
        shapes.append([_without_ids(event) for event in events if event])
    assert shapes[0] == shapes[1]


def _without_ids(event: str) -> tuple[str, str]:
    name, data = event.split("\n")
    parsed = json.loads(data.removeprefix("data: "))
    for part in (parsed.get("message"), parsed.get("content_block")):
        if part:
            part.pop("id", None)
    return name, json.dumps(parsed)
