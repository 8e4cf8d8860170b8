"""The operator's metrics have the values that a person would count."""

from __future__ import annotations

import asyncio
from collections import Counter

from csp_crds import names
from support.apiserver import ApiServer
from support.kube import (
    POOLS,
    SESSIONS,
    Kube,
    Object,
    StandInNode,
    bound,
    condition,
    ended_status,
    pool,
    session,
)
from support.operator_process import OperatorProcess
from support.settled import full, settled
from support.waiting import wait_until

NO_SPARE = {"targetSpare": 0, "cooldownSeconds": 0}


async def counted(operator: OperatorProcess, name: str, value: float) -> None:
    """Counters that follow a write are there a moment after it."""

    async def right() -> bool:
        return await asyncio.to_thread(operator.metric, name) == value

    try:
        await wait_until(right, 30, f"{name} {value:g}")
    except AssertionError as error:
        now = await asyncio.to_thread(operator.metric, name)
        raise AssertionError(f"{error}; it is {now:g}") from error


async def test_claims_warm_and_cold_and_what_they_took(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await full(kube, 2)
    await counted(operator, "csp_operator_refill_seconds_count", 2)
    warm = f'csp_operator_pool_pods{{namespace="{kube.namespace}",pool="default",state="warm"}}'
    for name in ("one", "two", "three"):
        await counted(operator, warm, 2)  # it may hear of a pod later than this test
        await kube.create(SESSIONS, session(name))
        await kube.until(SESSIONS, name, bound)
        await full(kube, 2)
    for step in ("queue", "patch", "status", "total"):
        await counted(operator, f'csp_operator_claim_seconds_count{{step="{step}"}}', 3)
    await counted(operator, 'csp_operator_claims_total{start="warm"}', 3)
    await counted(operator, "csp_operator_claim_misses_total", 0)
    await counted(operator, "csp_operator_refill_seconds_count", 5)
    other = session("other", agent={"tools": ["Read"]})
    await kube.create(SESSIONS, other)
    await kube.until(SESSIONS, "other", bound)
    await counted(operator, 'csp_operator_claims_total{start="warm_partial"}', 1)
    await kube.merge(POOLS, "default", {"spec": {"scaling": NO_SPARE}})
    await settled(kube, ["one", "two", "three", "other"], 0)
    await kube.create(SESSIONS, session("cold"))
    await kube.until(SESSIONS, "cold", bound)
    await counted(operator, 'csp_operator_claims_total{start="cold"}', 1)
    await counted(operator, 'csp_operator_claim_misses_total{reason="none_warm"}', 1)


async def test_a_session_that_waits_is_one_miss_however_often_it_is_looked_at(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool(scaling=NO_SPARE))
    await kube.create(SESSIONS, session("patient", coldStart="Wait"))
    waits = "csp_operator_sessions_waiting"
    await counted(operator, waits, 1)
    for seconds in (1, 2, 3):  # each change of the pool makes it look again
        text = {"spec": {"scaling": {"cooldownSeconds": seconds}}}
        await kube.merge(POOLS, "default", text)
    await kube.merge(POOLS, "default", {"spec": {"scaling": {"targetSpare": 1}}})
    await kube.until(SESSIONS, "patient", bound)
    await counted(operator, waits, 0)
    await counted(operator, 'csp_operator_claim_misses_total{reason="none_warm"}', 1)


async def test_lost_pods_count_however_they_went_and_others_do_not(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    used: set[str] = set()

    def fresh(item: Object) -> bool:
        return bound(item) and item["status"]["pod"]["uid"] not in used

    async def next_pod() -> Object:
        found = await kube.until(SESSIONS, "one", fresh)
        served: Object = found["status"]["pod"]
        used.add(served["uid"])
        return served

    await kube.create(POOLS, pool())
    await kube.create(SESSIONS, session("one", failurePolicy={"backoffSeconds": 0}))
    served = await next_pod()
    await kube.merge("pods", served["name"], ended_status(), sub="status")
    served = await next_pod()
    await counted(operator, "csp_operator_rebinds_total", 1)
    await kube.delete("pods", served["name"])
    served = await next_pod()
    await counted(operator, "csp_operator_rebinds_total", 2)
    release = {"metadata": {"annotations": {names.RELEASE: served["uid"]}}}
    await kube.merge(SESSIONS, "one", release)
    await next_pod()
    await kube.merge(SESSIONS, "one", {"spec": {"suspend": True}})
    await kube.until(SESSIONS, "one", lambda item: condition(item, "Suspended")["status"] == "True")
    await settled(kube, [], 2)
    await counted(operator, "csp_operator_rebinds_total", 2)


async def test_writes_are_those_that_the_api_server_saw(
    kube: Kube, node: StandInNode, operator: OperatorProcess, api_server: ApiServer
) -> None:
    await kube.create(POOLS, pool())
    for name in ("one", "two"):
        await kube.create(SESSIONS, session(name))
    await settled(kube, ["one", "two"], 2)
    await kube.delete(SESSIONS, "one")
    await settled(kube, ["two"], 2)

    def seen() -> Counter[str]:
        return Counter(
            record["objectRef"]["resource"]
            for record in api_server.audit()
            if (record.get("objectRef") or {}).get("namespace") == kube.namespace
            and (record.get("userAgent") or "").startswith("csp-operator")
            and record["verb"] not in ("get", "list", "watch")
            and record["objectRef"]["resource"] in ("pods", "agentsessions")
        )

    async def same() -> bool:
        """Of a pod that is gone already, a deletion is a conflict."""
        told = Counter[str]()
        for plural in ("pods", "agentsessions"):
            for outcome in ("ok", "conflict"):
                name = "csp_operator_api_writes_total"
                labels = f'{{outcome="{outcome}",resource="{plural}"}}'
                told[plural] += int(await asyncio.to_thread(operator.metric, name + labels))
        return told == await asyncio.to_thread(seen)

    await wait_until(same, 30, "the API server's count of writes", 0.5)
