"""Stands in for a node: each pod of the API server becomes a real worker process on this machine.

A pod's worker listens on a loopback address of its own, so that every one has the port that pods
have. What a kubelet would do with mounts and images is replaced by directories and this Python;
everything that a worker is told comes from the pod's own environment.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

import aiohttp
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from csp_crds import names
from support.kube import Kube, Object, Refused, ended_status, ready_status
from support.processes import ServerProcess

# Of the addresses 127.x.y.z, those of this test process.
_ADDRESSES = (
    f"127.{10 + os.getpid() % 200}.{number // 250 % 250}.{number % 250 + 1}" for number in count()
)
_PROBE_S = 0.1
_READY_S = 240.0


class Kubelet:
    """Runs the pods of one namespace. An async context manager."""

    def __init__(self, kube: Kube, directory: Path, keys: Path, model_base_url: str) -> None:
        self._kube = kube
        self._directory = directory
        self._keys = keys
        self._model_base_url = model_base_url
        self._workers: dict[str, ServerProcess] = {}
        self._pods: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.environment: dict[str, str] = {}
        """Set over what the pods say, for workers from now on."""

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._run(), name="kubelet")
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [self._watching, *self._pods.values(), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(asyncio.to_thread(w.stop) for w in self._workers.values()))

    def pid_of(self, uid: str) -> int:
        """The process of the pod with this UID."""
        return self._workers[uid].pid

    def kill(self, uid: str) -> None:
        """The container is killed, as the kernel does when memory runs out."""
        os.kill(self.pid_of(uid), signal.SIGKILL)

    def workspaces(self, uid: str) -> Path:
        """Where the pod's working directories are."""
        return self._directory / uid / "workspace"

    def log_of(self, uid: str) -> str:
        return self._workers[uid].tail(60)

    async def _run(self) -> None:
        while True:
            with suppress(aiohttp.ClientError, Refused, OSError):
                await self._follow()
            await asyncio.sleep(0.2)

    async def _follow(self) -> None:
        listed = await self._kube.call("GET", self._kube.url("pods"))
        present = {pod["metadata"]["uid"] for pod in listed["items"]}
        for pod in listed["items"]:
            self._start(pod)
        for uid in [uid for uid in self._pods if uid not in present]:
            self._stop(uid)
        async with self._kube.watch("pods", listed["metadata"]["resourceVersion"]) as news:
            async for event in news:
                if event["type"] == "DELETED":
                    self._stop(event["object"]["metadata"]["uid"])
                elif event["type"] in ("ADDED", "MODIFIED"):
                    self._start(event["object"])

    def _start(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid not in self._pods:
            task = asyncio.create_task(self._run_pod(pod), name=f"pod-{uid}")
            task.add_done_callback(_say_why)
            self._pods[uid] = task

    def _stop(self, uid: str) -> None:
        task = self._pods.get(uid)
        if task is not None:
            task.cancel()
        worker = self._workers.get(uid)
        if worker is not None and worker.running:
            stopping = asyncio.create_task(asyncio.to_thread(worker.stop), name=f"stop-{uid}")
            self._tasks.add(stopping)
            stopping.add_done_callback(self._tasks.discard)

    async def _run_pod(self, pod: Object) -> None:
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        address = next(_ADDRESSES)
        worker = ServerProcess(
            [sys.executable, "-m", "csp_worker"],
            log=self._place(uid) / "log",
            environment=self._environment(pod, address),
        )
        self._workers[uid] = worker
        if await self._healthy(worker, f"{address}:{names.WORKER_PORT}"):
            await self._tell(name, ready_status(address))
        while worker.running:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(_PROBE_S)
        code = worker.returncode or 0
        await self._tell(name, ended_status(code=128 - code if code < 0 else code))

    async def _tell(self, name: str, status: Object) -> None:
        while True:
            try:
                await self._kube.merge("pods", name, status, sub="status")
            except aiohttp.ClientError:
                await asyncio.sleep(0.2)
            except Refused as error:
                if error.status == 404:
                    return
                await asyncio.sleep(0.2)
            else:
                return

    async def _healthy(self, worker: ServerProcess, endpoint: str) -> bool:
        # Left alone it would try less and less often while the worker starts.
        options = (("grpc.max_reconnect_backoff_ms", 500),)
        async with grpc.aio.insecure_channel(endpoint, options=options) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=names.WORKER_HEALTH_SERVICE)
            async with asyncio.timeout(_READY_S):
                while worker.running:
                    with suppress(grpc.aio.AioRpcError):
                        answer = await stub.Check(request, timeout=5)
                        if answer.status == health_pb2.HealthCheckResponse.SERVING:
                            return True
                    await asyncio.sleep(_PROBE_S)
        return False

    def _place(self, uid: str) -> Path:
        place = self._directory / uid
        place.mkdir(parents=True, exist_ok=True)
        return place

    def _environment(self, pod: Object, address: str) -> dict[str, str]:
        (container,) = pod["spec"]["containers"]
        place = self._place(pod["metadata"]["uid"])
        given = {item["name"]: _value(item, pod) for item in container["env"]}
        shutil.copy(self._keys, place / "jwks.json")
        mounted = {
            "CSP_WORKER_JWKS_FILE": str(place / "jwks.json"),
            "CSP_WORKER_HOME": str(place / "home"),
            "CSP_WORKER_WORKSPACE_ROOT": str(place / "workspace"),
            "CSP_WORKER_LISTEN": f"{address}:{names.WORKER_PORT}",
            "CSP_WORKER_MODEL_BASE_URL": self._model_base_url,
        }
        # The proxies of a cluster are not here.
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            given.pop(name, None)
        return {**given, **mounted, **self.environment}


def _value(item: dict[str, Any], pod: Object) -> str:
    if "value" in item:
        return str(item["value"])
    path = (item.get("valueFrom") or {}).get("fieldRef", {}).get("fieldPath", "")
    found: Any = pod
    for part in path.split("."):
        found = found[part]
    return str(found)


def _say_why(task: asyncio.Task[None]) -> None:
    """A pod that this could not run would only look as if it took long."""
    if not task.cancelled() and (error := task.exception()) is not None:
        print(f"{task.get_name()} could not be run: {error!r}")
