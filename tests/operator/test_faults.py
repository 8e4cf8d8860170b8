"""What goes wrong between operator and API server, and what must hold all the same: one pod for one
session, one session in one pod, nothing left behind."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable

import pytest

from csp_crds import names
from support.fault_proxy import Call, Fault, FaultProxy, once
from support.kube import POOLS, SESSIONS, Kube, StandInNode, bound, condition, pool, session
from support.operator_process import OperatorProcess
from support.settled import full, settled
from support.waiting import wait_until

pytestmark = pytest.mark.faults
Start = Callable[..., OperatorProcess]


async def test_a_claim_whose_answer_is_lost_takes_no_second_pod(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool())
    await full(kube, 2)
    proxy.rule(once(lambda call: call.method == "PATCH" and call.touches("pods"), Fault("lost")))
    await kube.create(SESSIONS, session("lost"))
    (found,) = await settled(kube, ["lost"], 2)
    assert proxy.faults == 1
    assert found["status"]["pod"]["start"] == "warm"
    assert found["status"].get("rebinds", 0) == 0


async def test_a_status_whose_answer_is_lost_is_found_written(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool())
    await full(kube, 2)
    proxy.rule(once(lambda call: call.touches("agentsessions", "status"), Fault("lost")))
    await kube.create(SESSIONS, session("lost"))
    await settled(kube, ["lost"], 2)
    assert proxy.faults == 1


async def test_pods_whose_creation_was_not_answered_are_not_made_twice(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    lost = Counter[str]()

    def lose_each_name_once(call: Call) -> Fault | None:
        if call.method != "POST" or not call.path.endswith("/pods"):
            return None
        lost[call.body.decode()] += 1
        return Fault("lost") if lost[call.body.decode()] == 1 else None

    proxy.rule(lose_each_name_once)
    start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool(scaling={"targetSpare": 3, "cooldownSeconds": 0}))
    await kube.create(SESSIONS, session("cold"))
    await settled(kube, ["cold"], 3)
    assert proxy.faults >= 4


@pytest.mark.parametrize(
    ("status", "reason"), [(409, "Conflict"), (422, "Invalid"), (500, "InternalError"), (429, "")]
)
async def test_a_storm_of_refused_writes_passes(
    status: int,
    reason: str,
    kube: Kube,
    node: StandInNode,
    proxy: FaultProxy,
    start_operator: Start,
) -> None:
    start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool(scaling={"targetSpare": 4, "cooldownSeconds": 0}))
    await full(kube, 4)
    refused = Fault("refused", status, reason)
    proxy.rule(lambda call: refused if call.writes and not call.touches("leases") else None)
    sessions = ["s1", "s2", "s3"]
    for name in sessions:
        await kube.create(SESSIONS, session(name))

    async def stormed() -> bool:
        return proxy.faults >= 12

    await wait_until(stormed, 60, "a dozen refused writes")
    proxy.rule(None)
    await settled(kube, sessions, 4)


async def test_an_api_server_that_is_away_is_waited_for(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    operator = start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool())
    await kube.create(SESSIONS, session("before"))
    await settled(kube, ["before"], 2)
    proxy.rule(lambda call: Fault("refused", 503, "ServiceUnavailable"))
    await kube.create(SESSIONS, session("while"))

    async def no_leader() -> bool:
        return not await asyncio.to_thread(lambda: operator.leads)

    await wait_until(no_leader, 30, "the end of leadership")
    proxy.rule(None)
    await settled(kube, ["before", "while"], 2)


async def test_silent_watches_are_noticed(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    """The list of everything comes once an hour here: what is news comes by watches alone, those
    of pods and sessions and kopf's of pools."""
    only_watches = {
        "CSP_OPERATOR_RESYNC_SECONDS": "3600",
        "CSP_OPERATOR_WATCH_SILENCE_SECONDS": "3",
    }
    operator = start_operator(only_watches, kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool())
    await full(kube, 2)
    proxy.silent = True
    await kube.create(SESSIONS, session("quiet"))
    await kube.until(SESSIONS, "quiet", bound)
    proxy.silent = False
    proxy.mute_watches()
    await kube.create(POOLS, pool("other"))
    await kube.create(SESSIONS, session("else", poolRef={"name": "other"}))
    await kube.until(SESSIONS, "else", bound)
    assert await asyncio.to_thread(operator.metric, "csp_operator_resyncs_total") == 1


async def test_of_two_operators_one_acts_and_the_other_takes_over_when_it_is_killed(
    kube: Kube, node: StandInNode, start_operator: Start
) -> None:
    together = (asyncio.to_thread(start_operator) for _ in range(2))
    operators = await asyncio.gather(*together)
    await kube.create(POOLS, pool())
    await kube.create(SESSIONS, session("first"))
    await settled(kube, ["first"], 2)
    leaders = [operator for operator in operators if operator.leads]
    assert len(leaders) == 1
    leaders[0].kill()
    await kube.create(SESSIONS, session("second"))
    await settled(kube, ["first", "second"], 2)


async def test_a_leader_that_goes_in_peace_is_replaced_at_once(
    kube: Kube, node: StandInNode, start_operator: Start
) -> None:
    slow = {"CSP_OPERATOR_LEASE_SECONDS": "60", "CSP_OPERATOR_LEASE_RENEW_SECONDS": "50"}
    first = start_operator(slow)
    await kube.create(POOLS, pool())
    await full(kube, 2)
    start_operator(slow)
    await asyncio.to_thread(first.stop)
    await kube.create(SESSIONS, session("after"))
    await settled(kube, ["after"], 2)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_leader_killed_in_the_middle_of_a_claim_leaves_no_second_pod(
    moment: str,
    kube: Kube,
    node: StandInNode,
    proxy: FaultProxy,
    start_operator: Start,
) -> None:
    """`before`: the pod is claimed and nobody has heard of it. `after`: the claim was answered and
    the status is on its way."""
    leader = start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool())
    await full(kube, 2)
    reached = asyncio.Event()

    def stop_here(call: Call) -> Fault | None:
        claim = call.method == "PATCH" and call.touches("pods")
        if (moment == "before" and claim) or call.touches("agentsessions", "status"):
            reached.set()
            return Fault("lost")
        return None

    proxy.rule(stop_here)
    await kube.create(SESSIONS, session("torn"))
    await asyncio.wait_for(reached.wait(), 30)

    async def claimed() -> bool:
        return len(await kube.pods(state=names.STATE_CLAIMED)) == 1

    await wait_until(claimed, 30, "the claimed pod")
    leader.kill()
    start_operator()
    (found,) = await settled(kube, ["torn"], 2)
    assert found["status"]["pod"]["start"] == "warm"


async def test_a_leader_frozen_in_the_middle_of_a_claim_changes_nothing_when_it_wakes(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    """Its claim is under way while another one takes over, and arrives afterwards."""
    frozen = start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool())
    await full(kube, 2)
    under_way, arrives = asyncio.Event(), asyncio.Event()

    async def hold(call: Call) -> None:
        if call.method == "PATCH" and call.touches("pods"):
            under_way.set()
            await arrives.wait()

    proxy.rule(hold)
    await kube.create(SESSIONS, session("torn"))
    await asyncio.wait_for(under_way.wait(), 30)
    assert frozen.process is not None
    frozen.process.signal(signal.SIGSTOP)
    start_operator()
    (before,) = await settled(kube, ["torn"], 2)
    arrives.set()
    frozen.process.signal(signal.SIGCONT)

    async def follows() -> bool:
        return not await asyncio.to_thread(lambda: frozen.leads)

    await wait_until(follows, 30, "the end of its leadership")
    await kube.create(SESSIONS, session("later"))
    after, _ = await settled(kube, ["torn", "later"], 2)
    assert after["status"]["pod"] == before["status"]["pod"]


async def test_a_session_deleted_while_it_is_claimed_leaves_no_pod(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool())
    await full(kube, 2)

    async def delete_first(call: Call) -> Fault | None:
        if call.method == "PATCH" and call.touches("pods"):
            proxy.rule(None)
            await kube.delete(SESSIONS, "gone")
        return None

    proxy.rule(delete_first)
    await kube.create(SESSIONS, session("gone"))

    async def ended() -> bool:
        return await kube.find(SESSIONS, "gone") is None

    await wait_until(ended, 30, "the session's end")
    await settled(kube, [], 2)


async def test_a_namesake_is_another_session(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await full(kube, 2)
    await kube.create(SESSIONS, session("twin"))
    first = (await settled(kube, ["twin"], 2))[0]
    await kube.delete(SESSIONS, "twin")
    await kube.create(SESSIONS, session("twin"))
    second = (await settled(kube, ["twin"], 2))[0]
    assert first["status"]["pod"]["uid"] != second["status"]["pod"]["uid"]
    assert condition(second, "Bound")["status"] == "True"
