"""Working directories between workers, as the control plane handles them: opaque and bounded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from csp_controlplane.domain.principal import Principal
from csp_controlplane.store import workspaces
from csp_controlplane.store.database import Database
from csp_controlplane.store.workspaces import NewArchive
from csp_proto import worker_pb2 as pb
from support.hostile_worker import fact
from support.kube import SESSIONS, Kube, is_true, session
from support.planes import ADDRESS, ALICE, TENANT, Planes, PlayedPod, take_pod
from support.waiting import wait_until

WHO = Principal(TENANT, ALICE)
NewPod = Callable[[str], Awaitable[PlayedPod]]
MEGABYTE = bytes(1024 * 1024)


def archive(*pieces: bytes, fingerprint: str = "f1") -> list[pb.WorkspaceChunk]:
    first = pb.WorkspaceChunk(outcome=pb.WorkspaceChunk.STORED, fingerprint=fingerprint)
    return [first, *(pb.WorkspaceChunk(data=piece) for piece in pieces)]


async def bound(planes: Planes, kube: Kube, new_pod: NewPod) -> tuple[str, PlayedPod]:
    await planes.start(workspace_bytes=2 * len(MEGABYTE))
    await kube.create(SESSIONS, session("one", ADDRESS))
    await kube.until(SESSIONS, "one", is_true("Accepted"))
    pod = await new_pod("pod-1")
    await pod.give_to(kube, "one")
    found = await kube.until(SESSIONS, "one", is_true("Ready"))
    await pod.attached.wait()
    return str(found["status"]["sessionId"]), pod


def turn(pod: PlayedPod, number: int) -> None:
    start = f"sevt_s{number}"
    pod.facts(2 * number + 1, fact(start, "span.turn_start", '"message_ids":[],"message_seqs":[]'))
    rest = f'"outcome":"completed","reason":"end","turn_start_id":"{start}","message_ids":[]'
    pod.facts(2 * number + 2, fact(f"sevt_e{number}", "span.turn_end", rest))


async def stored(db: Database, session_id: str, fingerprint: str) -> workspaces.Archive:
    async def there() -> workspaces.Archive | None:
        found = await workspaces.newest(db, TENANT, session_id)
        return found if found is not None and found.fingerprint == fingerprint else None

    found = await wait_until(there, 30, f"the archive {fingerprint}")
    assert found is not None
    return found


async def test_an_archive_reaches_the_next_worker_before_its_bind(
    planes: Planes, kube: Kube, new_pod: NewPod, db: Database
) -> None:
    session_id, pod = await bound(planes, kube, new_pod)
    pod.workspace = archive(b"first", b"second")
    turn(pod, 0)
    found = await stored(db, session_id, "f1")
    assert (found.chunks, found.bytes, found.outcome) == (2, 11, "stored")
    pod.workspace = archive(b"newer", fingerprint="f2")
    turn(pod, 1)
    await stored(db, session_id, "f2")
    async with db.tenant(TENANT) as connection:
        kept = await connection.fetch("select data from workspace_chunks")
    assert [row["data"] for row in kept] == [b"newer"], "older versions go"
    await pod.stop()
    await take_pod(kube, "one")
    second = await new_pod("pod-2")
    await second.give_to(kube, "one")
    await wait_until(lambda: second.bound is not None, 30, "the second bind")
    assert b"".join(chunk.data for chunk in second.restored) == b"newer"
    assert second.restored[0].max_bytes == 2 * len(MEGABYTE)


async def test_a_worker_that_sends_too_much_changes_nothing(
    planes: Planes, kube: Kube, new_pod: NewPod, db: Database
) -> None:
    session_id, pod = await bound(planes, kube, new_pod)
    pod.workspace = archive(b"good")
    turn(pod, 0)
    await stored(db, session_id, "f1")
    pod.workspace = archive(*[MEGABYTE] * 20, fingerprint="huge")
    turn(pod, 1)
    pod.workspace = archive(b"fine again", fingerprint="f3")
    turn(pod, 2)
    await stored(db, session_id, "f3")
    async with db.tenant(TENANT) as connection:
        rows = await connection.fetch("select data from workspace_chunks")
    assert [row["data"] for row in rows] == [b"fine again"]


async def test_what_a_worker_of_an_earlier_epoch_made_is_not_the_sessions(
    planes: Planes, kube: Kube, new_pod: NewPod, db: Database
) -> None:
    session_id, pod = await bound(planes, kube, new_pod)
    pod.workspace = archive(b"good")
    turn(pod, 0)
    await stored(db, session_id, "f1")
    await workspaces.add_chunk(db, TENANT, session_id, "wksp_Z", 0, b"late")
    late = NewArchive("wksp_Z", 0, 1, "stored", 4, 1, "late")
    assert not await workspaces.publish(db, TENANT, session_id, late)
    found = await workspaces.newest(db, TENANT, session_id)
    assert found is not None
    assert found.fingerprint == "f1"
    async with db.tenant("globex") as connection:
        assert await connection.fetchval("select count(*) from workspace_chunks") == 0


async def test_deleting_a_session_deletes_its_files(
    planes: Planes, kube: Kube, new_pod: NewPod, db: Database
) -> None:
    session_id, pod = await bound(planes, kube, new_pod)
    pod.workspace = archive(b"good")
    turn(pod, 0)
    await stored(db, session_id, "f1")
    plane = await planes.start("second")
    await plane.service.delete(WHO, session_id)
    assert await workspaces.newest(db, TENANT, session_id) is None
    async with db.tenant(TENANT) as connection:
        assert await connection.fetchval("select count(*) from workspace_chunks") == 0

    # A gateway that has only begun to look learns of the session's resource a moment later.
    async def gone() -> bool:
        return await kube.find(SESSIONS, "one") is None

    await wait_until(gone, 30, "the end of the session's resource")
