"""A plain client of a test's API server, and resources to create with it.

Deliberately not the operator's own client: what a test sees must not depend on what it tests.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, Self

import aiohttp
import orjson

from csp_crds import names
from support.waiting import wait_until

Object = dict[str, Any]
Objects = list[Object]
SESSIONS, POOLS = names.SESSION_PLURAL, names.POOL_PLURAL
_GROUPS = {
    SESSIONS: f"/apis/{names.API_VERSION}",
    POOLS: f"/apis/{names.API_VERSION}",
    "leases": "/apis/coordination.k8s.io/v1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
}


class Refused(Exception):
    """The API server's answer was an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Server(Protocol):
    """Where an API server is, and a token of a user who may do everything."""

    url: str
    token: str
    ca: Path


class Kube:
    """Calls in one namespace. An async context manager."""

    def __init__(self, server: Server, namespace: str, agent: str = "csp-test") -> None:
        self._server = server
        self.namespace = namespace
        self._agent = agent

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=self._server.ca)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
            headers={"Authorization": f"Bearer {self._server.token}", "User-Agent": self._agent},
            timeout=aiohttp.ClientTimeout(total=60),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        # A TLS goodbye would outlive the test's loop.
        if self._session.connector is not None:
            await self._session.connector.close(abort_ssl=True)
        await self._session.close()

    def url(self, plural: str, name: str = "", sub: str = "") -> str:
        root = _GROUPS.get(plural, "/api/v1")
        parts = [self._server.url + root, "namespaces", self.namespace, plural, name, sub]
        return "/".join(part for part in parts if part)

    async def call(
        self, method: str, url: str, body: object = None, kind: str = "application/json"
    ) -> Object:
        data = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": kind}
        async with self._session.request(method, url, data=data, headers=headers) as answer:
            found: Object = orjson.loads(await answer.read())
            if answer.status >= 400:
                raise Refused(answer.status, found.get("message", ""))
            return found

    async def create(self, plural: str, body: Object) -> Object:
        return await self.call("POST", self.url(plural), body)

    async def get(self, plural: str, name: str) -> Object:
        return await self.call("GET", self.url(plural, name))

    async def find(self, plural: str, name: str) -> Object | None:
        try:
            return await self.get(plural, name)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def list(self, plural: str, labels: str = "") -> Objects:
        query = f"?labelSelector={labels}" if labels else ""
        found = await self.call("GET", self.url(plural) + query)
        items: Objects = found["items"]
        return items

    async def listing(self, plural: str) -> tuple[Objects, str]:
        """Everything, and the version from which a watch goes on."""
        found = await self.call("GET", self.url(plural))
        return found["items"], found["metadata"]["resourceVersion"]

    async def merge(self, plural: str, name: str, body: Object, sub: str = "") -> Object:
        url = self.url(plural, name, sub)
        return await self.call("PATCH", url, body, "application/merge-patch+json")

    async def apply_status(self, plural: str, name: str, manager: str, status: Object) -> Object:
        """As the control plane does: its own fields by server-side apply."""
        kind = {SESSIONS: names.SESSION_KIND, POOLS: names.POOL_KIND}[plural]
        body = {
            "apiVersion": names.API_VERSION,
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "status": status,
        }
        url = f"{self.url(plural, name, 'status')}?fieldManager={manager}&force=true"
        return await self.call("PATCH", url, body, "application/apply-patch+yaml")

    async def delete(self, plural: str, name: str, grace: int | None = None) -> None:
        body = {} if grace is None else {"gracePeriodSeconds": grace}
        await self.call("DELETE", self.url(plural, name), body)

    @asynccontextmanager
    async def watch(self, plural: str, version: str = "") -> AsyncIterator[AsyncIterator[Object]]:
        """Events from this version on, or from now on; read while the block runs."""
        version = (
            version or (await self.call("GET", self.url(plural)))["metadata"]["resourceVersion"]
        )
        url = f"{self.url(plural)}?watch=1&resourceVersion={version}"
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(url, timeout=timeout, read_bufsize=2**22) as answer:

            async def events() -> AsyncIterator[Object]:
                async for line in answer.content:
                    yield orjson.loads(line)

            connection = answer.connection
            try:
                yield events()
            finally:
                # A TLS goodbye would outlive the test's loop.
                if connection is not None and connection.transport is not None:
                    connection.transport.abort()

    async def until(
        self,
        plural: str,
        name: str,
        holds: Callable[[Object], object],
        deadline: float = 30.0,
        what: str = "",
    ) -> Object:
        """The object as soon as something holds of it."""
        last: list[Object | None] = [None]

        async def check() -> Object | None:
            last[0] = await self.find(plural, name)
            return last[0] if last[0] is not None and holds(last[0]) else None

        try:
            found = await wait_until(check, deadline, what or f"what {plural}/{name} shall show")
        except AssertionError as error:
            raise AssertionError(f"{error}\nit is now: {last[0]}") from error
        assert found is not None
        return found

    async def pods(self, **labels: str) -> Objects:
        """By state= and session= (the session's uid)."""
        keys = {"state": names.STATE, "session": names.SESSION_UID, "pool": names.POOL}
        wanted = ",".join(f"{keys[key]}={value}" for key, value in labels.items())
        return await self.list("pods", wanted or names.POOL)


def pool(name: str = "default", **more: Any) -> Object:
    """An AgentPool; `more` goes into the spec."""
    spec = {
        "template": {"image": "example.invalid/csp-worker:1"},
        "scaling": {"targetSpare": 2, "cooldownSeconds": 0},
        "refill": {"maxConcurrent": 100},
    }
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.POOL_KIND,
        "metadata": {"name": name},
        "spec": spec | more,
    }


def session(name: str, owner: str = "ada@example.com", **more: Any) -> Object:
    """An AgentSession; `more` goes into the spec."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.SESSION_KIND,
        "metadata": {"name": name},
        "spec": {"owner": owner, **more},
    }


def condition(resource: Mapping[str, Any], kind: str) -> Object:
    """The condition of a type; empty when it is not there."""
    conditions = (resource.get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == kind), {})


def is_true(kind: str) -> Callable[[Object], bool]:
    return lambda resource: condition(resource, kind).get("status") == "True"


def bound(resource: Object) -> bool:
    return is_true("Bound")(resource)


class StandInNode:
    """Makes pods Ready as a kubelet would tell it, as far as the API server is concerned.

    A pod that was never given to a real node is removed at once when it is deleted.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._tasks: set[asyncio.Task[None]] = set()
        self._go = asyncio.Event()
        self._go.set()
        self._next = 0
        self.ready_s = 0.0

    def hold(self) -> None:
        """Pods stay as they are made."""
        self._go.clear()

    def go_on(self) -> None:
        self._go.set()

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._run(), name="stand-in-node")
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (self._watching, *self._tasks):
            task.cancel()
        await asyncio.gather(self._watching, *self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                pods, version = await self._kube.listing("pods")
                for pod in pods:
                    self._start(pod)
                async with self._kube.watch("pods", version) as news:
                    async for event in news:
                        if event["type"] == "ADDED":
                            self._start(event["object"])
            except (aiohttp.ClientError, Refused):  # the server is away for a while
                await asyncio.sleep(0.2)

    def _start(self, pod: Object) -> None:
        if (pod.get("status") or {}).get("podIP"):
            return
        task = asyncio.create_task(self._make_ready(pod["metadata"]["name"]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _make_ready(self, name: str) -> None:
        await self._go.wait()
        if self.ready_s:
            await asyncio.sleep(self.ready_s)
        self._next += 1
        ip = f"10.9.{self._next // 250 % 250}.{self._next % 250 + 1}"
        try:
            await self._kube.merge("pods", name, ready_status(ip), sub="status")
        except (Refused, aiohttp.ClientError):
            return  # it is gone, or the server is


def ready_status(ip: str) -> Object:
    now = "2026-01-01T00:00:00Z"
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
    return {"status": {"phase": "Running", "podIP": ip, "conditions": [ready]}}


def waiting_status(reason: str, message: str) -> Object:
    """Of a pod whose container the kubelet has not started, and why not."""
    waiting = {"waiting": {"reason": reason, "message": message}}
    state = {
        "name": names.WORKER_CONTAINER,
        "state": waiting,
        "ready": False,
        "restartCount": 0,
        "image": "",
        "imageID": "",
    }
    return {"status": {"phase": "Pending", "containerStatuses": [state]}}


def ended_status(reason: str = "Error", code: int = 137) -> Object:
    """Of a pod whose container has ended."""
    ended = {"terminated": {"reason": reason, "exitCode": code}}
    state = {
        "name": names.WORKER_CONTAINER,
        "state": ended,
        "ready": False,
        "restartCount": 0,
        "image": "",
        "imageID": "",
    }
    return {"status": {"phase": "Failed", "containerStatuses": [state], "conditions": []}}
