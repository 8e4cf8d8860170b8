"""Rest, suspension and the ends of AgentSessions, and what they mean for their sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import redis.asyncio
from lightkube import AsyncClient, KubeConfig

from conftest import ROOT
from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import Conflict
from csp_controlplane.runtime.kubernetes.api import KubernetesApi
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store.database import Database
from csp_crds import names
from support.apiserver import ApiServer
from support.cluster import new_api, write_keys
from support.kube import SESSIONS, Kube, Object, condition, is_true, session
from support.planes import ADDRESS, ALICE, TENANT, Planes, PlayedPod, take_pod
from support.sessions import new_session
from support.waiting import wait_until

WHO = Principal(TENANT, ALICE)
NewPod = Callable[[str], Awaitable[PlayedPod]]


async def message(service: SessionService, session_id: str, text: str) -> None:
    event = {"type": "user.message", "content": [{"type": "text", "text": text}]}
    await service.send(WHO, session_id, [event], client_id=None, request_hash=None, is_retry=False)


async def until_state(service: SessionService, session_id: str, *states: str) -> None:
    async def there() -> bool:
        return (await service.get(WHO, session_id)).state in states

    await wait_until(there, 40, f"the session being {' or '.join(states)}")


async def bound_session(
    planes: Planes, kube: Kube, new_pod: NewPod, **spec: object
) -> tuple[SessionService, str, PlayedPod]:
    plane = await planes.start()
    await kube.create(SESSIONS, session("one", ADDRESS, **spec))
    await kube.until(SESSIONS, "one", is_true("Accepted"))
    pod = await new_pod("pod-1")
    await pod.give_to(kube, "one")
    found = await kube.until(SESSIONS, "one", is_true("Ready"))
    return plane.service, found["status"]["sessionId"], pod


async def test_the_deletion_of_one_resource_ends_its_session(
    planes: Planes, kube: Kube, new_pod: NewPod
) -> None:
    service, session_id, _ = await bound_session(planes, kube, new_pod)
    await kube.delete(SESSIONS, "one")
    await until_state(service, session_id, "completed")
    events = (await service.events(WHO, session_id, limit=50, types=["session.notice"])).events
    assert b"session_ended" in events[-1].raw
    with pytest.raises(Conflict):
        await message(service, session_id, "still there?")


async def test_deleting_the_resource_of_an_api_session_ends_it_too(
    planes: Planes, kube: Kube
) -> None:
    plane = await planes.start()
    record = await new_session(plane.service, WHO)
    name = names.resource_name(record.id)
    await kube.until(SESSIONS, name, is_true("Accepted"))
    await kube.delete(SESSIONS, name)
    await until_state(plane.service, record.id, "completed")


async def test_a_suspended_session_answers_409_and_goes_on_afterwards(
    planes: Planes, kube: Kube, new_pod: NewPod
) -> None:
    service, session_id, _ = await bound_session(planes, kube, new_pod)
    await kube.merge(SESSIONS, "one", {"spec": {"suspend": True}})
    await until_state(service, session_id, "paused")
    await take_pod(kube, "one", "Suspended")
    with pytest.raises(Conflict, match="suspended"):
        await message(service, session_id, "hello")
    found = await kube.until(SESSIONS, "one", lambda r: not is_true("Ready")(r))
    assert condition(found, "Ready")["reason"] == "Suspended"
    await kube.merge(SESSIONS, "one", {"spec": {"suspend": False}})

    async def takes_messages() -> bool:
        try:
            await message(service, session_id, "hello again")
        except Conflict:
            return False
        return True

    await wait_until(takes_messages, 20, "messages being taken")
    second = await new_pod("pod-2")
    await second.give_to(kube, "one")
    said = await second.next("input")
    assert b"hello again" in said.payload


async def test_idleness_pauses_and_a_message_wakes(
    planes: Planes, kube: Kube, new_pod: NewPod
) -> None:
    service, session_id, _ = await bound_session(
        planes, kube, new_pod, lifecycle={"idleTimeout": "2s"}
    )
    await until_state(service, session_id, "paused")

    def paused(found: Object) -> bool:
        return bool(found["metadata"].get("annotations", {}).get(names.PAUSED) == "true")

    found = await kube.until(SESSIONS, "one", paused)
    assert found["metadata"]["annotations"][names.RELEASE] == "pod-1"
    await take_pod(kube, "one", "Paused")
    await message(service, session_id, "wake up")
    await kube.until(SESSIONS, "one", lambda found: not paused(found))
    second = await new_pod("pod-2")
    await second.give_to(kube, "one")
    assert b"wake up" in (await second.next("input")).payload


async def test_a_pause_of_the_operators_is_no_loss(
    planes: Planes, kube: Kube, new_pod: NewPod
) -> None:
    service, session_id, pod = await bound_session(planes, kube, new_pod)
    await kube.merge(SESSIONS, "one", {"metadata": {"annotations": {names.PAUSED: "true"}}})
    await pod.stop()
    await take_pod(kube, "one", "Paused")
    await until_state(service, session_id, "paused")
    events = (await service.events(WHO, session_id, limit=50, types=["session.notice"])).events
    assert not any(b"worker_lost" in event.raw for event in events)
    found = await kube.get(SESSIONS, "one")
    assert found["metadata"]["annotations"][names.PAUSED] == "true"


async def test_a_session_that_the_operator_finished_has_ended(
    planes: Planes, kube: Kube, new_pod: NewPod
) -> None:
    service, session_id, _ = await bound_session(planes, kube, new_pod)
    finished = {
        "type": "Finished",
        "status": "True",
        "reason": "MaxLifetime",
        "message": "It had pods for 4h.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    await kube.apply_status(
        SESSIONS, "one", names.OPERATOR_MANAGER, {"phase": "Finished", "conditions": [finished]}
    )
    await until_state(service, session_id, "completed")
    found = await kube.until(
        SESSIONS, "one", lambda r: condition(r, "Ready").get("reason") == "Ended"
    )
    assert found["status"]["sessionId"] == session_id


async def test_a_resource_that_went_while_nobody_looked_pauses_its_session(
    planes: Planes, kube: Kube, new_pod: NewPod
) -> None:
    _, session_id, _ = await bound_session(planes, kube, new_pod)
    await planes.stack.aclose()
    await kube.delete(SESSIONS, "one")
    plane = await planes.start("later")
    await until_state(plane.service, session_id, "paused")
    await message(plane.service, session_id, "I am back")
    name = names.resource_name(session_id)
    found = await kube.until(SESSIONS, name, is_true("Accepted"))
    assert found["status"]["sessionId"] == session_id


# ---- with a namespace or the kind itself removed


async def test_a_place_takes_no_sessions_when_the_rights_there_went_before_it(
    api_server: ApiServer, kube: Kube
) -> None:
    """They are in the namespace, and its removal may come to them first."""
    config = KubeConfig.from_file(api_server.kubeconfig("without-rights", ())).get()
    for api, takes in (
        (new_api(api_server), True),
        (KubernetesApi(AsyncClient(config=config)), False),
    ):
        assert await api.takes_sessions(kube.namespace) is takes
        await api.close()


@pytest.fixture(scope="module")
def own_api_server(kubernetes_programs: None) -> Iterator[ApiServer]:
    """These tests take the definitions away."""
    controllers = ("namespace-controller",)
    with ApiServer(controllers=controllers) as server:
        server.apply_crds(ROOT / "crds")
        yield server


@pytest.fixture
async def own_planes(
    db: Database, redis_url: str, own_api_server: ApiServer, people: None, tmp_path: Path
) -> AsyncIterator[Planes]:
    signing_key, _ = write_keys(tmp_path)
    client = redis.asyncio.from_url(redis_url, socket_timeout=None)
    planes = Planes(db, client, own_api_server, own_api_server.create_namespace(), signing_key)
    async with planes.stack:
        yield planes
    await client.aclose()


@pytest.mark.parametrize("removed", ["namespace", "kind"])
async def test_what_goes_with_its_place_pauses_and_keeps_its_history(
    own_planes: Planes, own_api_server: ApiServer, new_pod: NewPod, removed: str
) -> None:
    async with Kube(own_api_server, own_planes.namespace) as kube:
        service, session_id, _ = await bound_session(own_planes, kube, new_pod)
        if removed == "namespace":
            own_api_server.kubectl("delete", "namespace", kube.namespace, "--wait=false")
        else:
            own_api_server.kubectl("delete", "crd", f"{names.SESSION_PLURAL}.{names.GROUP}")
        await until_state(service, session_id, "paused")
        events = (await service.events(WHO, session_id, limit=50, types=["session.notice"])).events
        assert b"cluster was removed" in events[-1].raw
        if removed == "kind":
            own_api_server.apply_crds(ROOT / "crds")
            await message(service, session_id, "I am back")
            name = names.resource_name(session_id)
            await kube.until(SESSIONS, name, is_true("Accepted"))
