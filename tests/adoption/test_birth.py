"""AgentSessions that somebody applied become sessions, once, or say why not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from csp_controlplane.domain.principal import Principal
from csp_controlplane.store import environments, origins
from csp_controlplane.store.database import Database
from csp_crds import names
from support.kube import SESSIONS, Kube, condition, is_true, session
from support.planes import ADDRESS, ALICE, TENANT, Planes, PlayedPod, take_pod
from support.waiting import wait_until

WHO = Principal(TENANT, ALICE)
NewPod = Callable[[str], Awaitable[PlayedPod]]


def says(kind: str, status: str, reason: str) -> Callable[[dict[str, Any]], bool]:
    def holds(found: dict[str, Any]) -> bool:
        there = condition(found, kind)
        return (there.get("status"), there.get("reason")) == (status, reason)

    return holds


async def test_a_session_appears_in_the_api_and_its_id_in_the_status(
    planes: Planes, kube: Kube
) -> None:
    plane = await planes.start()
    made = await kube.create(
        SESSIONS, session("one", ADDRESS, agent={"systemPrompt": "Be brief.", "model": "m"})
    )
    found = await kube.until(SESSIONS, "one", is_true("Accepted"))
    record = await plane.service.get(WHO, found["status"]["sessionId"])
    assert (record.owner, record.spec.system_prompt, record.spec.model) == (ALICE, "Be brief.", "m")
    (origin,) = await origins.sessions_of(planes.db, [made["metadata"]["uid"]], [])
    assert (origin.session, origin.tenant) == (record.id, TENANT)
    ready = condition(found, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Binding")


async def test_two_gateways_make_one_session_and_say_its_prompt_once(
    planes: Planes, kube: Kube
) -> None:
    first, second = await planes.start("a"), await planes.start("b")
    for number in range(5):
        await kube.create(
            SESSIONS, session(f"s{number}", ALICE, prompt={"text": f"hello {number}"})
        )
    ids = set()
    for number in range(5):
        found = await kube.until(SESSIONS, f"s{number}", is_true("Accepted"))
        ids.add(found["status"]["sessionId"])
    records, _ = await first.service.list(
        WHO, limit=20, cursor=None, include_archived=False, statuses=None, search=None,
        order="desc", order_by="created_at", agent_id=None, created={},
    )  # fmt: skip
    assert {record.id for record in records} == ids
    assert len(ids) == 5
    for record in records:
        said = (
            await second.service.events(WHO, record.id, limit=50, types=["user.message"])
        ).events
        assert len(said) == 1


async def test_a_tenant_that_contradicts_the_namespace_is_refused_with_a_sentence(
    planes: Planes, kube: Kube
) -> None:
    await planes.start()
    await kube.create(SESSIONS, session("wrong", ADDRESS, tenant="globex"))
    found = await kube.until(SESSIONS, "wrong", says("Accepted", "False", "TenantMismatch"))
    assert "'globex'" in condition(found, "Accepted")["message"]
    assert says("Ready", "False", "NotAccepted")(found)
    assert "sessionId" not in found["status"]


async def test_an_unknown_owner_is_refused_until_there_is_one(
    planes: Planes, kube: Kube, db: Database
) -> None:
    await planes.start()
    await kube.create(SESSIONS, session("early", "bob@example.org"))
    await kube.until(SESSIONS, "early", says("Accepted", "False", "UnknownOwner"))
    async with db.tenant(TENANT) as connection:
        await connection.execute(
            "insert into users (id, tenant, email, name) values ('user_bob', $1, $2, 'Bob')",
            TENANT,
            "bob@example.org",
        )
    await kube.until(SESSIONS, "early", is_true("Accepted"))


async def test_a_user_of_another_tenant_owns_nothing_here(
    planes: Planes, kube: Kube, db: Database
) -> None:
    async with db.tenant("globex") as connection:
        await connection.execute("insert into tenants values ('globex', 'Globex')")
        await connection.execute(
            "insert into users (id, tenant, email, name) "
            "values ('user_eve', 'globex', 'eve@example.org', 'Eve')"
        )
    await planes.start()
    await kube.create(SESSIONS, session("foreign", "eve@example.org"))
    await kube.until(SESSIONS, "foreign", says("Accepted", "False", "UnknownOwner"))


async def test_an_agent_that_the_schema_lets_in_and_the_rules_do_not_is_refused(
    planes: Planes, kube: Kube
) -> None:
    await planes.start()
    await kube.create(SESSIONS, session("bad", ADDRESS, agent={"env": {"ANTHROPIC_API_KEY": "x"}}))
    found = await kube.until(SESSIONS, "bad", says("Accepted", "False", "InvalidSpec"))
    assert "ANTHROPIC_API_KEY" in condition(found, "Accepted")["message"]


async def test_a_label_makes_nobody_elses_session_ones_own(planes: Planes, kube: Kube) -> None:
    """A copied resource, with the labels and the status of another session."""
    plane = await planes.start()
    await kube.create(SESSIONS, session("mine", ADDRESS))
    first = await kube.until(SESSIONS, "mine", is_true("Accepted"))
    taken = first["status"]["sessionId"]
    copy = session("copy", ADDRESS)
    copy["metadata"]["labels"] = {
        names.ORIGIN: names.ORIGIN_API,
        names.SESSION_ID: names.resource_name(taken),
    }
    await kube.create(SESSIONS, copy)
    await kube.merge(SESSIONS, "copy", {"status": {"sessionId": taken}}, sub="status")
    found = await kube.until(
        SESSIONS, "copy",
        lambda r: is_true("Accepted")(r) and r["status"].get("sessionId") not in (None, taken),
    )  # fmt: skip
    other = await plane.service.get(WHO, found["status"]["sessionId"])
    assert other.id != taken


async def test_an_earlier_conversation_goes_on_under_a_new_resource(
    planes: Planes, kube: Kube, db: Database
) -> None:
    plane = await planes.start()
    await kube.create(SESSIONS, session("old", ADDRESS))
    old = (await kube.until(SESSIONS, "old", is_true("Accepted")))["status"]["sessionId"]
    async with db.tenant(TENANT) as connection:
        await connection.execute(
            "insert into transcript_entries (month, session_id, tenant, epoch, entry) "
            'select month, id, tenant, 1, \'{"uuid":"u1"}\' from sessions where id = $1',
            old,
        )
        await connection.execute(
            "update sessions set claude_session_id = 'claude-1' where id = $1", old
        )
    await kube.create(SESSIONS, session("early", ADDRESS, resumeFrom=old))
    await kube.until(SESSIONS, "early", says("Accepted", "False", "SessionInUse"))
    await kube.delete(SESSIONS, "old")
    found = await kube.until(SESSIONS, "early", is_true("Accepted"))
    new = found["status"]["sessionId"]
    assert new != old
    assert found["status"]["claudeSessionId"] == "claude-1"
    async with db.tenant(TENANT) as connection:
        entries = await connection.fetchval(
            "select count(*) from transcript_entries where session_id = $1", new
        )
    assert entries == 1
    assert (await plane.service.get(WHO, old)).state == "completed"


async def test_a_foreign_session_cannot_be_resumed(planes: Planes, kube: Kube) -> None:
    await planes.start()
    await kube.create(SESSIONS, session("steal", ADDRESS, resumeFrom="sesn_somebody"))
    await kube.until(SESSIONS, "steal", says("Accepted", "False", "UnknownSession"))


async def test_a_resource_is_born_as_a_fork_and_its_parent_goes_on(
    planes: Planes, kube: Kube
) -> None:
    plane = await planes.start()
    await kube.create(SESSIONS, session("parent", ADDRESS, prompt={"text": "one"}))
    parent = (await kube.until(SESSIONS, "parent", is_true("Accepted")))["status"]["sessionId"]
    place = {"sessionId": parent}
    await kube.create(SESSIONS, session("fork", ADDRESS, forkFrom=place, prompt={"text": "two"}))
    found = await kube.until(SESSIONS, "fork", is_true("Accepted"))
    fork = found["status"]["sessionId"]
    family = await plane.service.branches.family(WHO, fork)
    assert [(branch.id, branch.parent) for branch in family] == [(parent, None), (fork, parent)]
    log = (await plane.service.events(WHO, fork, limit=100)).events
    before = (await plane.service.events(WHO, parent, limit=100)).events
    shared = family[1].forked_seq or 0
    assert shared > 0
    assert log[:shared] == before[:shared]
    assert (await plane.service.get(WHO, parent)).state != "completed"


@pytest.mark.parametrize(
    ("place", "reason"),
    [({"sessionId": "sesn_no"}, "UnknownSession"), ({"at": "sevt_no"}, "NoSuchPlace")],
    ids=["session", "message"],
)
async def test_a_fork_of_what_is_not_there_is_refused(
    planes: Planes, kube: Kube, place: dict[str, str], reason: str
) -> None:
    await planes.start()
    await kube.create(SESSIONS, session("parent", ADDRESS))
    parent = (await kube.until(SESSIONS, "parent", is_true("Accepted")))["status"]["sessionId"]
    wanted = {"sessionId": parent, **place}
    await kube.create(SESSIONS, session("fork", ADDRESS, forkFrom=wanted))
    await kube.until(SESSIONS, "fork", says("Accepted", "False", reason))


async def test_a_session_of_the_api_gets_a_resource_and_it_goes_with_the_session(
    planes: Planes, kube: Kube
) -> None:
    from support.sessions import new_session

    plane = await planes.start()
    record = await new_session(plane.service, WHO)
    name = names.resource_name(record.id)
    found = await kube.until(SESSIONS, name, is_true("Accepted"))
    assert found["spec"]["owner"] == ALICE
    assert found["spec"]["tenant"] == TENANT
    assert found["status"]["sessionId"] == record.id
    await plane.service.delete(WHO, record.id)
    await wait_until(lambda: kube_gone(kube, name), 20, "the resource being gone")


async def test_an_environment_chooses_the_pool_of_its_sessions(
    planes: Planes, kube: Kube, db: Database
) -> None:
    from support.sessions import new_session

    plane = await planes.start()
    pools = {}
    for config in ({"type": "self_hosted", "pool": "gpu"}, {"type": "self_hosted"}):
        async with db.tenant(TENANT) as connection:
            made = await environments.insert(
                connection, TENANT, name="e", description=None, config=config, metadata={}
            )
        record = await new_session(plane.service, WHO, made.id)
        found = await kube.until(SESSIONS, names.resource_name(record.id), lambda _: True)
        pools[config.get("pool")] = found["spec"]["poolRef"]["name"]
    assert pools == {"gpu": "gpu", None: "default"}


async def kube_gone(kube: Kube, name: str) -> bool:
    return await kube.find(SESSIONS, name) is None


async def test_a_resource_without_its_session_is_removed(planes: Planes, kube: Kube) -> None:
    """The session was deleted while the API server was away."""
    await planes.start()
    orphan = session("sesn-01abc", ALICE)
    orphan["metadata"]["labels"] = {
        names.ORIGIN: names.ORIGIN_API,
        names.SESSION_ID: "sesn-01abc",
    }
    await kube.create(SESSIONS, orphan)
    await wait_until(lambda: kube_gone(kube, "sesn-01abc"), 20, "the orphan being gone")


async def test_a_worker_is_bound_when_the_operator_names_its_pod(
    planes: Planes, kube: Kube, new_pod: NewPod
) -> None:
    plane = await planes.start()
    await kube.create(SESSIONS, session("one", ADDRESS, prompt={"text": "hello"}))
    await kube.until(SESSIONS, "one", is_true("Accepted"))
    pod = await new_pod("pod-1")
    await pod.give_to(kube, "one")
    found = await kube.until(SESSIONS, "one", is_true("Ready"))
    assert pod.bound is not None
    assert pod.bound.session_id == found["status"]["sessionId"]
    said = await pod.next("input")
    assert b"hello" in said.payload
    # Another pod of the operator's choice, because the first was lost.
    await pod.stop()
    await take_pod(kube, "one")
    second = await new_pod("pod-2")
    await second.give_to(kube, "one")
    await wait_until(lambda: second.bound is not None, 30, "the second bind")
    assert second.bound is not None
    assert second.bound.epoch == pod.bound.epoch + 1
    assert (await plane.service.get(WHO, pod.bound.session_id)).state in ("active", "error")
