"""Sessions on a real node: how long until one is Ready, and how long its first word takes.

`ready_p50_ms` is from the POST of an AgentSession until a watch says Ready: a pod is claimed, its
worker is bound to the log. Each begins when the pool is full again. The first word of a later turn,
through the cluster's gateway, has that of a local installation as its neighbour: both on this
machine, both with the scripted model, taking turns. And how long a session is without a worker when
its own is killed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from bench.figures import Figure
from bench.first_token import ANSWER, in_turn, open_session
from bench.stats import median_ratio, percentile
from csp_crds import names
from e2e.images import build
from e2e.installation import NAMESPACE, OWNER, Installation
from e2e.node import packages
from e2e.node.native import NativeCluster
from e2e.sessions import pod_of, watching
from support.kube import SESSIONS, Kube, is_true, session
from support.parts_of_stack import wait_warm
from support.play import say, script, slow
from support.stack import Stack
from support.waiting import wait_until

FIGURES = ("ready_p50_ms", "cluster_first_token_ratio", "cluster_rebind_p95_s")
POOL = 3
WARM_UP = 2
SESSIONS_EACH, QUICK_SESSIONS = 30, 8
PAIRS, QUICK_PAIRS = 50, 10
REBINDS, QUICK_REBINDS = 10, 3
RATIO = 1.5
REBIND_S = 30.0


async def measure(quick: bool) -> list[Figure]:
    async with _open() as (installation, kube):
        ready = await _ready(kube, QUICK_SESSIONS if quick else SESSIONS_EACH)
        first = await _first_tokens(installation, kube, QUICK_PAIRS if quick else PAIRS)
        return [
            ready,
            first,
            await _rebinds(installation, kube, QUICK_REBINDS if quick else REBINDS),
        ]


async def _ready(kube: Kube, count: int) -> Figure:
    took: list[float] = []
    bound: list[float] = []
    for number in range(WARM_UP + count):
        await _full(kube)
        until_bound, until_ready = await _one(kube, f"ready-{number}")
        if number >= WARM_UP:
            bound.append(until_bound * 1000)
            took.append(until_ready * 1000)
    detail: dict[str, float | str] = {
        "sessions": float(count),
        "p95 ms": percentile(took, 0.95),
        "max ms": max(took),
        "bound p50 ms": percentile(bound, 0.5),
    }
    return Figure("ready_p50_ms", percentile(took, 0.5), None, detail)


async def _one(kube: Kube, name: str) -> tuple[float, float]:
    """Seconds until Bound and until Ready. Raises when its pod was not a warm one: that measures
    something else."""
    loop = asyncio.get_running_loop()
    bound = None
    async with asyncio.timeout(60), kube.watch(SESSIONS) as news:
        begun = loop.time()
        await kube.create(SESSIONS, session(name, owner=OWNER))
        async for event in news:
            found = event["object"]
            if found["metadata"]["name"] != name:
                continue
            if bound is None and is_true("Bound")(found):
                bound = loop.time() - begun
            if is_true("Ready")(found):
                break
    ready = loop.time() - begun
    if (start := found["status"]["pod"]["start"]) != "warm":
        raise RuntimeError(f"{name} came {start}")
    await kube.delete(SESSIONS, name)
    return bound or ready, ready


async def _full(kube: Kube) -> None:
    """The pool is, and no pod of an earlier session is still on its way out."""

    async def settled() -> bool:
        pods = await kube.pods()
        warm = [pod for pod in pods if pod["metadata"]["labels"][names.STATE] == names.STATE_WARM]
        return len(pods) == POOL and all(map(is_true("Ready"), warm)) and len(warm) == POOL

    await wait_until(settled, 120, f"{POOL} pods, all warm", interval=0.2)


async def _first_tokens(installation: Installation, kube: Kube, count: int) -> Figure:
    with _local() as stack:
        async with stack.client() as local_api, installation.client() as api:
            local = await open_session(local_api, stack.url, stack.headers)
            there = await open_session(api, installation.url, installation.headers)
            for one in (local, there):
                await one.first_token(ANSWER)
            # Nothing of what takes the claimed ones' places may run beside the measurement.
            await asyncio.to_thread(wait_warm, stack)
            await _full_beside(kube)
            pairs = [
                await in_turn(
                    lambda: local.first_token(ANSWER), lambda: there.first_token(ANSWER), turn
                )
                for turn in range(count)
            ]
            for one in (local, there):
                one.socket.close()
            (await api.delete(f"/sessions/{there.id}")).raise_for_status()
    detail: dict[str, float | str] = {
        "local p50 ms": percentile([pair.baseline for pair in pairs], 0.5) / 1e6,
        "cluster p50 ms": percentile([pair.subject for pair in pairs], 0.5) / 1e6,
        "cluster p95 ms": percentile([pair.subject for pair in pairs], 0.95) / 1e6,
        "pairs": float(count),
    }
    return Figure("cluster_first_token_ratio", median_ratio(pairs), RATIO, detail)


async def _rebinds(installation: Installation, kube: Kube, count: int) -> Figure:
    """From kill -9 of a worker in its pod to the first text of a message posted right after it."""
    took: list[float] = []
    async with watching(installation) as viewer:
        await viewer.turn(script(say("hello")), 60)
        for _ in range(count):
            await _full_beside(kube)
            pod = pod_of(installation, viewer.session_id)
            begun = time.perf_counter()
            installation.cluster.kill_in_pod(pod["uid"], "csp_worker")
            message = await viewer.say(script(slow(5)))
            await viewer.partial(1, 120)
            took.append(time.perf_counter() - begun)
            await viewer.turn_end(message, 60)
    detail: dict[str, float | str] = {"p50 s": percentile(took, 0.5), "n": float(count)}
    return Figure("cluster_rebind_p95_s", percentile(took, 0.95), REBIND_S, detail)


async def _full_beside(kube: Kube) -> None:
    async def filled() -> bool:
        warm = await kube.pods(state=names.STATE_WARM)
        return len(warm) == POOL and all(map(is_true("Ready"), warm))

    await wait_until(filled, 120, f"{POOL} warm pods beside a session's", interval=0.2)


@contextmanager
def _local() -> Iterator[Stack]:
    stack = Stack()
    stack.start()
    try:
        yield stack
    finally:
        stack.close()


@asynccontextmanager
async def _open() -> AsyncIterator[tuple[Installation, Kube]]:
    """A node with csp, and a client of its API server; taken down in the end."""
    cluster, installation = await asyncio.to_thread(_install)
    try:
        async with Kube(cluster.head, NAMESPACE, "csp-bench") as kube:
            yield installation, kube
    finally:
        await asyncio.to_thread(_remove, cluster, installation)


def _install() -> tuple[NativeCluster, Installation]:
    packages.install(("buildah", "mmdebstrap"))
    archives = [*build.build().values(), build.servers()]
    cluster = NativeCluster()
    installation = Installation(cluster)
    scaling = {"minWarm": POOL, "maxWarm": POOL + 1, "targetSpare": POOL}
    installation.values["pools"]["default"]["scaling"] = scaling
    try:
        cluster.start()
        for archive in archives:
            cluster.load(archive)
        installation.install()
    except BaseException:
        _remove(cluster, installation)
        raise
    return cluster, installation


def _remove(cluster: NativeCluster, installation: Installation) -> None:
    installation.close()
    cluster.close()
