"""Parts of the installation go away while sessions live."""

from __future__ import annotations

import asyncio
import json
import time

from e2e.installation import Installation
from e2e.sessions import (
    KIND,
    another_pod,
    ended,
    followed,
    name_of,
    pod_of,
    pods,
    resource,
    shown_is_stored,
    until_condition,
    watching,
)
from support.play import say, script, slow
from support.waiting import wait_until

AWAY_S = 60


async def test_sessions_live_on_while_the_operator_is_away_for_a_minute(
    installation: Installation,
) -> None:
    async with watching(installation) as viewer:
        await viewer.turn(script(say("one")), deadline=120)
        pod = pod_of(installation, viewer.session_id)
        installation.csp("scale", "deployment/csp-operator", "--replicas=0")
        gone = time.monotonic()
        try:
            await wait_until(
                lambda: not installation.pods("operator"), 60, "the operator being gone", interval=1
            )
            installation.apply(resource("patient"))
            turns = 0
            while time.monotonic() < gone + AWAY_S:
                end = await viewer.turn(script(slow(20, pause=0.1)))
                assert end["outcome"] == "completed"
                turns += 1
            assert turns > 1
        finally:
            installation.csp("scale", "deployment/csp-operator", "--replicas=2")
        await until_condition(installation, "patient", "Ready", deadline=120)
        assert pod_of(installation, viewer.session_id)["uid"] == pod["uid"]
    installation.csp("delete", KIND, "patient", "--wait=true")
    installation.ready()


async def replace_gateway(installation: Installation, name: str) -> None:
    """Deletes a gateway's pod and waits for another in its place."""
    installation.csp("delete", "pod", name, "--wait=false")

    def replaced() -> bool:
        ready = installation.gateways()
        return name not in ready and len(ready) >= 2

    await wait_until(replaced, 90, f"another gateway than {name}", interval=0.5)


async def test_a_gateway_pod_deleted_in_mid_stream_costs_its_client_nothing(
    installation: Installation,
) -> None:
    async with watching(installation) as viewer:
        message = await viewer.say(script(slow(400, pause=0.1, word="tick ")))
        await viewer.partial(20, deadline=120)
        for gateway in installation.gateways():
            if viewer.closed is None:
                await replace_gateway(installation, gateway)
        await viewer.gone(60)
        assert ended(viewer, message) is None, "the gateway went in mid-turn"
        end = await followed(viewer, message)
        assert end["outcome"] == "completed"
        assert viewer.text() == "tick " * 400
        await shown_is_stored(installation, viewer)
    installation.ready()


async def test_a_postgresql_that_restarts_in_mid_turn_loses_no_fact(
    installation: Installation,
) -> None:
    async with watching(installation) as viewer:
        await viewer.turn(script(say("kept")), deadline=120)
        # It ends when its clients have hung up, or after the grace of its pod, 30 s.
        message = await viewer.say(script(slow(900, pause=0.1, word="tick ")))
        await viewer.partial(20, deadline=120)
        # In a thread: what is shown meanwhile is read meanwhile.
        await asyncio.to_thread(
            installation.csp, "delete", "pod", "csp-postgresql-0", "--wait=true"
        )
        assert ended(viewer, message) is None, "the database went in mid-turn"
        await asyncio.to_thread(installation.ready)
        end = await followed(viewer, message)
        assert end["outcome"] == "completed"
        assert viewer.text() == "kept" + "tick " * 900
        await viewer.turn(script(say("afterwards")), deadline=120)
        assert viewer.text().endswith("afterwards")
        await shown_is_stored(installation, viewer)


async def test_a_service_whose_address_changes_is_followed(installation: Installation) -> None:
    """Workers have no DNS: what they know of an address is what they were started with."""
    service = installation.get("service", "csp-model-proxy")
    old = service["spec"].pop("clusterIP")
    service["spec"].pop("clusterIPs")
    for field in ("uid", "resourceVersion", "creationTimestamp"):
        service["metadata"].pop(field)
    async with watching(installation) as viewer:
        await viewer.turn(script(say("before")), deadline=120)
        pod = pod_of(installation, viewer.session_id)
        installation.csp("delete", "service", "csp-model-proxy", "--wait=true")
        # A taker of the old address, so that it cannot come back by chance.
        blocker = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "old-address"},
            "spec": {"clusterIP": old, "ports": [{"port": 1}]},
        }
        installation.apply(blocker)
        installation.apply(service)
        new = installation.get("service", "csp-model-proxy")["spec"]["clusterIP"]
        assert new != old

        def known() -> bool:
            spares = pods(installation, "warm")
            followed = all(new in json.dumps(pod["spec"]) for pod in spares)
            return followed and bool(installation.warm_pods())

        await wait_until(known, 120, "warm pods that know the new address", interval=1)
        async with watching(installation) as other:
            await other.turn(script(say("at the new one")), deadline=120)
        # Who was there before goes on in a pod that knows it.
        assert await another_pod(installation, name_of(viewer.session_id), pod["uid"])
        end = await viewer.turn(script(say(", and after")), deadline=180)
        assert end["outcome"] == "completed"
        assert viewer.text() == "before, and after"
        installation.csp("delete", "service", "old-address", "--wait=true")
