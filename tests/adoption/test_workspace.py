"""Working directories between workers, as the control plane handles them: opaque and bounded."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from csp_controlplane.domain.principal import Principal
from csp_controlplane.store import checkpoints, pieces
from csp_controlplane.store.checkpoints import Checkpoint, NewCheckpoint
from csp_controlplane.store.database import Database
from csp_controlplane.store.pieces import Claim
from csp_proto import worker_pb2 as pb
from support.hostile_worker import fact
from support.kube import SESSIONS, Kube, is_true, session
from support.planes import ADDRESS, ALICE, TENANT, Planes, PlayedPod, take_pod
from support.waiting import wait_until

WHO = Principal(TENANT, ALICE)
NewPod = Callable[[str], Awaitable[PlayedPod]]
LIMIT = 1024 * 1024


def has(pod: PlayedPod, *pieces: bytes, fingerprint: str = "f1") -> None:
    """The pod's directory consists of these pieces."""
    names = [hashlib.sha256(piece).digest() for piece in pieces]
    head = pb.WorkspaceManifest(fingerprint=fingerprint, pieces=names, files=len(pieces))
    pod.workspace = [head, pb.WorkspaceManifest(data=b"list of " + fingerprint.encode())]
    pod.pieces = list(pieces)


async def bound(planes: Planes, kube: Kube, new_pod: NewPod) -> tuple[str, PlayedPod]:
    await planes.start(workspace_bytes=LIMIT)
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


async def stored(db: Database, session_id: str, fingerprint: str) -> Checkpoint:
    async def there() -> Checkpoint | None:
        found = await checkpoints.newest(db, TENANT, session_id)
        return found if found is not None and found.fingerprint == fingerprint else None

    found = await wait_until(there, 30, f"the checkpoint {fingerprint}")
    assert found is not None
    return found


async def objects(db: Database, tenant: str = TENANT) -> list[bytes]:
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch("select data from objects")
    return sorted(row["data"] for row in rows)


async def test_files_reach_the_next_worker_before_its_bind(
    planes: Planes, kube: Kube, new_pod: NewPod, db: Database
) -> None:
    session_id, pod = await bound(planes, kube, new_pod)
    has(pod, b"first", b"second")
    turn(pod, 0)
    first = await stored(db, session_id, "f1")
    has(pod, b"second", b"third", fingerprint="f2")
    pod.pieces = [b"third"]
    turn(pod, 1)
    second = await stored(db, session_id, "f2")
    assert pod.asked[-1:] == [hashlib.sha256(b"third").digest()], "only what is new travels"
    assert await checkpoints.at(db, TENANT, session_id, second.seq - 1) == first
    assert len(await objects(db)) == 5, "three pieces and two lists"
    await pod.stop()
    await take_pod(kube, "one")
    heir = await new_pod("pod-2")
    heir.wants = [hashlib.sha256(b"second").digest()]
    await heir.give_to(kube, "one")
    await wait_until(lambda: heir.bound is not None, 30, "the second bind")
    assert b"".join(part.data for part in heir.offered) == b"list of f2"
    assert heir.offered[0].limits.total_bytes == LIMIT
    assert not heir.offered[0].replace
    assert heir.restored == [b"second"]


async def test_a_worker_gets_no_pieces_that_its_checkpoint_does_not_name(
    planes: Planes, kube: Kube, new_pod: NewPod, db: Database
) -> None:
    session_id, pod = await bound(planes, kube, new_pod)
    has(pod, b"good")
    turn(pod, 0)
    await stored(db, session_id, "f1")
    await pod.stop()
    await take_pod(kube, "one")
    heir = await new_pod("pod-2")
    heir.wants = [hashlib.sha256(b"of somebody else").digest()]
    await heir.give_to(kube, "one")
    await wait_until(lambda: heir.bound is not None, 30, "the second bind")
    assert heir.restored == []


async def test_what_was_not_asked_for_or_is_too_much_changes_nothing(
    planes: Planes, kube: Kube, new_pod: NewPod, db: Database
) -> None:
    session_id, pod = await bound(planes, kube, new_pod)
    has(pod, b"good")
    turn(pod, 0)
    await stored(db, session_id, "f1")
    has(pod, b"a", fingerprint="forged")
    pod.pieces = [b"not a"]
    turn(pod, 1)
    has(pod, b"x" * LIMIT, b"y" * LIMIT, fingerprint="huge")
    turn(pod, 2)
    has(pod, b"fine again", fingerprint="f3")
    turn(pod, 3)
    await stored(db, session_id, "f3")
    async with db.tenant(TENANT) as connection:
        found = await connection.fetch("select fingerprint from checkpoints order by id")
    assert [row["fingerprint"] for row in found] == ["f1", "f3"]


async def test_what_a_worker_of_an_earlier_epoch_made_is_not_the_sessions(
    planes: Planes, kube: Kube, new_pod: NewPod, db: Database
) -> None:
    session_id, pod = await bound(planes, kube, new_pod)
    has(pod, b"good")
    turn(pod, 0)
    found = await stored(db, session_id, "f1")
    late = NewCheckpoint(0, 99, b"m", (), 0, 0, {"count": 0, "named": []}, "late", {})
    assert await pieces.claim(db, TENANT, session_id, late.epoch, [late.manifest]) is None
    claim = Claim(session_id, {}, frozenset())
    assert await checkpoints.publish(db, TENANT, session_id, claim, late) is None
    assert await checkpoints.newest(db, TENANT, session_id) == found
    assert await objects(db, "globex") == []


async def test_what_is_too_large_is_said_once(
    planes: Planes, kube: Kube, new_pod: NewPod, db: Database
) -> None:
    session_id, pod = await bound(planes, kube, new_pod)
    large = pb.LeftOut(path="data.bin", reason="file_size", size_bytes=10**9)
    for number, fingerprint in enumerate(("f1", "f2")):
        has(pod, fingerprint.encode(), fingerprint=fingerprint)
        pod.workspace[0].left_out.append(large)
        pod.workspace[0].left_out_count = 1
        turn(pod, number)
        await stored(db, session_id, fingerprint)
    turn(pod, 2)

    async def notices() -> list[str]:
        async with db.tenant(TENANT) as connection:
            rows = await connection.fetch(
                "select payload::text from events where type = 'session.notice' order by seq"
            )
        return [row["payload"] for row in rows if "workspace_not_saved" in row["payload"]]

    (said,) = await wait_until(notices, 30, "the notice")
    assert "data.bin" in said


async def test_deleting_a_session_deletes_its_files(
    planes: Planes, kube: Kube, new_pod: NewPod, db: Database
) -> None:
    session_id, pod = await bound(planes, kube, new_pod)
    has(pod, b"good")
    turn(pod, 0)
    await stored(db, session_id, "f1")
    plane = await planes.start("second")
    await plane.service.delete(WHO, session_id)
    assert await checkpoints.newest(db, TENANT, session_id) is None
    assert await objects(db) == []
    async with db.tenant(TENANT) as connection:
        assert await connection.fetchval("select count(*) from pieces where not doomed") == 0

    # A gateway that has only begun to look learns of the session's resource a moment later.
    async def gone() -> bool:
        return await kube.find(SESSIONS, "one") is None

    await wait_until(gone, 30, "the end of the session's resource")
