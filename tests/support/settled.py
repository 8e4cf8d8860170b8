"""What must hold when the dust has settled: one pod for each session, a full pool, nothing else."""

from __future__ import annotations

from csp_crds import names
from support.kube import POOLS, SESSIONS, Kube, Object, bound
from support.waiting import wait_until


async def settled(
    kube: Kube, sessions: list[str], spare: int, deadline: float = 60
) -> list[Object]:
    """All sessions bound, each to a pod of its own that carries its uid; the pool full; and no pod
    beside those."""
    found: list[Object] = []

    async def right() -> bool:
        found[:] = [await kube.get(SESSIONS, name) for name in sessions]
        if not all(bound(item) for item in found):
            return False
        pods = await kube.pods()
        claimed = {
            pod["metadata"]["labels"][names.SESSION_UID]: pod["metadata"]["uid"]
            for pod in pods
            if pod["metadata"]["labels"][names.STATE] == names.STATE_CLAIMED
        }
        expected = {item["metadata"]["uid"]: item["status"]["pod"]["uid"] for item in found}
        return claimed == expected and len(pods) == len(sessions) + spare

    try:
        await wait_until(right, deadline, "one pod for each session and a full pool")
    except AssertionError:
        print([item.get("status") for item in found], *await kube.pods(), sep="\n")
        raise
    return found


async def full(kube: Kube, count: int, deadline: float = 60) -> None:
    """So many pods of the default pool are warm, as its status says."""

    def holds(resource: Object) -> bool:
        return bool((resource.get("status") or {}).get("warm") == count)

    await kube.until(POOLS, "default", holds, deadline, f"{count} warm pods")
