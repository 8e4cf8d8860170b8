"""What an operator watches has values on a real installation, after one real turn."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest

from support.parts_of_stack import wait_warm
from support.play import say, script, watching
from support.processes import free_port
from support.stack import Stack
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(240)  # a whole installation, maybe on a busy machine


def value(text: str, name: str, **labels: str) -> float:
    """The sum of the series of this name that have these labels."""
    found = 0.0
    for line in text.splitlines():
        series = re.match(rf"{name}(?:{{(.*)}})? (\S+)$", line)
        if series is None:
            continue
        had = dict(re.findall(r'(\w+)="([^"]*)"', series[1] or ""))
        if labels.items() <= had.items():
            found += float(series[2])
    return found


async def test_after_a_turn_the_metrics_of_the_plane_have_values() -> None:
    gateway, proxy = free_port(), free_port()
    environment = {"CSP_GATEWAY_METRICS_PORT": str(gateway), "CSP_PROXY_METRICS_PORT": str(proxy)}

    async def shown(port: int) -> str:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"http://127.0.0.1:{port}/metrics")).raise_for_status().text

    with Stack(environment=environment) as stack:
        async with watching(stack) as viewer:
            assert (await viewer.turn(script(say("hello")), 60))["outcome"] == "completed"
            await asyncio.to_thread(wait_warm, stack)
            text = await shown(gateway)
            name = "csp_session_init_duration_seconds"
            assert value(text, f"{name}_count") == 1
            assert 0 < value(text, f"{name}_sum") < 60

            async def measured() -> bool:
                text = await shown(gateway)
                return (
                    value(text, "csp_prewarm_pool_size", state="warm") == 1
                    and value(text, "csp_subprocess_rss_bytes", process="worker") > 10e6
                    and value(text, "csp_subprocess_rss_bytes", process="cli") > 10e6
                )

            await wait_until(measured, 30, "the pool and the memory of two workers")

            async def charged() -> bool:
                return value(await shown(proxy), "csp_api_cost_usd_total") > 0

            await wait_until(charged, 30, "the cost of the turn")
