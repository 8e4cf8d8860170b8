"""A client for the few calls that the operator makes, each with a deadline and an exact outcome.

kopf has none of its own to offer, and the general ones hide what matters here: whether a write that
was not answered may have gone through. Nothing is retried, because only the caller knows what a
repetition would mean.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import aiohttp
import orjson

from csp_crds import names
from csp_operator.api.connection import Connection
from csp_operator.api.errors import ApiError, Away, from_status
from csp_operator.api.resources import LEASES, USES, USES_AT_HOME, Resource
from csp_operator.clock import ServerClock
from csp_operator.metrics import OperatorMetrics

Object = dict[str, Any]
AGENT = "csp-operator"
_PAGE = 500
_JSON = "application/json"
_VERB_METHODS = {"get": "GET", "list": "GET", "create": "POST", "update": "PUT", "patch": "PATCH"}


class Listing(NamedTuple):
    items: list[Object]
    version: int


class KubeApi:
    """Calls by resource, namespace and name. Every call may raise ApiError.

    `leads` is asked before every write but those of the Lease itself: who does not lead, or could
    not renew in time, writes nothing.
    """

    def __init__(
        self,
        connection: Connection,
        clock: ServerClock,
        metrics: OperatorMetrics,
        leads: Callable[[], bool],
        timeout: float = 10.0,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._metrics = metrics
        self._leads = leads
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """The object as it is now, not as a cache remembers it."""
        return await self._call("get", resource, resource.path(namespace, name))

    async def list(
        self, resource: Resource, namespace: str, *, labels: str | None = None
    ) -> Listing:
        """All objects as they are now, and the version of that now."""
        items: list[Object] = []
        token, version = "", 0
        while True:
            params = {"limit": str(_PAGE)}
            params |= {"labelSelector": labels} if labels else {}
            params |= {"continue": token} if token else {}
            page = await self._call("list", resource, resource.path(namespace), params=params)
            items += page["items"]
            version = version or int(page["metadata"]["resourceVersion"])
            token = page["metadata"].get("continue", "")
            if not token:
                return Listing(items, version)

    async def watch(
        self,
        resource: Resource,
        namespace: str,
        version: int,
        silence: float,
        *,
        labels: str | None = None,
    ) -> AsyncGenerator[Object]:
        """Events after this version until the server ends the watch. Away after a silence.

        Close it: a watch that is left in the middle keeps its connection.
        """
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(version),
        } | ({"labelSelector": labels} if labels else {})
        headers = {**self._connection.headers(), "User-Agent": AGENT, "Accept": _JSON}
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._timeout.total, sock_read=silence
        )
        url = self._connection.server + resource.path(namespace)
        try:
            async with self._connection.session.get(
                url, params=params, headers=headers, timeout=timeout
            ) as response:
                if response.status >= 400:
                    _answer(response.status, await response.read())
                async for line in _lines(response):
                    yield orjson.loads(line)
        except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError) as error:
            text = str(error) or type(error).__name__
            raise Away(f"the watch of {resource.plural} broke: {text}", known=True) from error

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        return await self._call(
            "create", resource, resource.path(namespace), body=body, params=_manager()
        )

    async def replace(self, resource: Resource, namespace: str, name: str, body: Object) -> Object:
        """Writes the whole object; its resourceVersion must be the present one."""
        path = resource.path(namespace, name)
        return await self._call("update", resource, path, body=body, params=_manager())

    async def json_patch(
        self, resource: Resource, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]
    ) -> Object:
        """Invalid when one of its tests fails: then nothing was written."""
        return await self._call(
            "patch",
            resource,
            resource.path(namespace, name),
            body=list(operations),
            kind="application/json-patch+json",
            params=_manager(),
        )

    async def merge_patch(
        self, resource: Resource, namespace: str, name: str, body: Object
    ) -> Object:
        return await self._call(
            "patch",
            resource,
            resource.path(namespace, name),
            body=body,
            kind="application/merge-patch+json",
            params=_manager(),
        )

    async def apply_status(
        self, resource: Resource, namespace: str, name: str, body: Object
    ) -> Object:
        """Server-side apply of the operator's own fields of the status."""
        return await self._call(
            "patch",
            resource,
            resource.path(namespace, name, "status"),
            sub="status",
            body=body,
            kind="application/apply-patch+yaml",
            params={**_manager(), "force": "true"},
        )

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str, version: str | None = None
    ) -> None:
        """Deletes exactly this object; Conflict when the name is another's by now."""
        preconditions = {"uid": uid} | ({"resourceVersion": version} if version else {})
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": preconditions,
            "propagationPolicy": "Background",
        }
        await self._call("delete", resource, resource.path(namespace, name), body=body)

    async def _call(
        self,
        verb: str,
        resource: Resource,
        path: str,
        *,
        sub: str | None = None,
        body: Any = None,
        kind: str = _JSON,
        params: Mapping[str, str] | None = None,
    ) -> Object:
        allowed = USES.get((resource, sub)) or USES_AT_HOME.get((resource, sub)) or frozenset()
        if verb not in allowed:
            raise LookupError(f"{verb} {resource.plural} is not in the operator's RBAC rules")
        if verb not in ("get", "list") and resource is not LEASES and not self._leads():
            raise Away("this replica does not lead", known=True)
        method = _VERB_METHODS.get(verb, verb.upper())
        try:
            found = await self._send(method, path, body, kind, params or {})
        except ApiError as error:
            self._count(verb, resource, error)
            raise
        self._count(verb, resource, None)
        return found

    async def _send(
        self, method: str, path: str, body: Any, kind: str, params: Mapping[str, str]
    ) -> Object:
        headers = {
            **self._connection.headers(),
            "User-Agent": AGENT,
            "Accept": _JSON,
            "Content-Type": kind,
        }
        try:
            async with self._connection.session.request(
                method,
                self._connection.server + path,
                params=params,
                data=None if body is None else orjson.dumps(body),
                headers=headers,
                timeout=self._timeout,
            ) as response:
                raw = await response.read()
                status, date = response.status, response.headers.get("Date")
        except aiohttp.ClientConnectorError as error:
            raise Away(f"the API server cannot be reached: {error}", known=True) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            text = str(error) or type(error).__name__
            raise Away(f"no answer to {method} {path}: {text}", known=method == "GET") from error
        self._clock.hear(date)
        if status == 401:
            self._connection.renew()
        return _answer(status, raw)

    def _count(self, verb: str, resource: Resource, error: ApiError | None) -> None:
        if verb in ("get", "list"):
            return
        outcome = "ok"
        if isinstance(error, Away):
            outcome = "refused" if error.known else "unknown"
        elif error is not None:
            outcome = "conflict" if error.status in (404, 409, 422) else "refused"
        self._metrics.writes.labels(resource.plural, outcome).inc()


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Whole lines of any length."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


def _manager() -> dict[str, str]:
    return {"fieldManager": names.OPERATOR_MANAGER}


def _answer(status: int, raw: bytes) -> Object:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        found = {"message": raw[:500].decode(errors="replace")}
    if not isinstance(found, dict):
        found = {"message": repr(found)[:500]}
    if status >= 400:
        message = found.get("message") or f"HTTP {status}"
        raise from_status(status, found.get("reason", ""), message)
    if "kind" not in found:
        # A proxy's page with status 200, or a cut answer: whether it was written is not known.
        raise Away("the answer is no Kubernetes object", known=False, status=status)
    return found
