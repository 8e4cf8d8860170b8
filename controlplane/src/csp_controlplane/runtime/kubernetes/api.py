"""The few calls to the API server that the control plane makes, its errors translated.

lightkube finds the configuration, re-reads rotated tokens and speaks HTTP; resources stay plain
dicts, since csp_crds has their models. Only this module knows the library.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from datetime import datetime
from typing import Any, Self

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.core.exceptions import ConfigError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.coordination_v1 import Lease
from lightkube.types import PatchType

from csp_controlplane.runtime.protocol import RuntimeUnavailable
from csp_crds import names

Resource = dict[str, Any]
TIMEOUT_S = 10.0
MAX_CONNECTIONS = 100

_SESSION: Any = create_namespaced_resource(
    names.GROUP, names.VERSION, names.SESSION_KIND, names.SESSION_PLURAL
)
_POOL: Any = create_namespaced_resource(
    names.GROUP, names.VERSION, names.POOL_KIND, names.POOL_PLURAL
)


class Absent(Exception):
    """There is no such object, or no such kind of object any more."""


class Exists(Exception):
    """An object of this name is there already."""


class Conflicts(Exception):
    """The object has changed since it was read."""


class Rejected(Exception):
    """The API server does not take this, and would not later; the text is its own."""


class Unwelcome(Rejected):
    """The namespace or the kind is about to be gone and takes nothing new from here."""


class Expired(Exception):
    """The watch's place in history is forgotten: list again."""


class KubernetesApi:
    """AgentSessions of any namespace. Every call raises RuntimeUnavailable while it is away."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    @classmethod
    def from_environment(cls) -> Self:
        """Raises RuntimeUnavailable when there is no usable configuration."""
        try:
            return cls(AsyncClient(timeout=httpx2.Timeout(TIMEOUT_S)))
        except (ConfigError, OSError, KeyError, AttributeError) as error:
            raise RuntimeUnavailable(
                f"no access to a Kubernetes API server ({error}): run in a pod with a service "
                "account, or set KUBECONFIG"
            ) from error

    async def close(self) -> None:
        await self._client.close()

    async def list(self, namespace: str) -> tuple[list[Resource], str]:
        """All sessions and the version at which a watch goes on. Raises Absent without the CRD."""
        with _translated():
            found = self._client.list(_SESSION, namespace=namespace, chunk_size=500)
            items = [_plain(item) async for item in found]
            return items, found.resourceVersion

    async def watch(
        self, namespace: str, version: str, seconds: int
    ) -> AsyncGenerator[tuple[str, Resource], None]:
        """(ADDED, MODIFIED or DELETED, resource). Raises Expired."""
        with _translated():
            found: Any = self._client.watch(
                _SESSION, namespace=namespace, resource_version=version, server_timeout=seconds
            )
            async with aclosing(found) as changes:
                async for kind, item in changes:
                    yield kind, _plain(item)

    async def get(self, namespace: str, name: str) -> Resource:
        """Raises Absent."""
        with _translated():
            return _plain(await self._client.get(_SESSION, name, namespace=namespace))

    async def create(self, resource: Resource) -> Resource:
        """Raises Exists, Rejected."""
        with _translated():
            made = await self._client.create(
                _SESSION(resource), field_manager=names.CONTROL_PLANE_MANAGER
            )
            return _plain(made)

    async def annotate(
        self, namespace: str, name: str, annotations: Mapping[str, str | None]
    ) -> Resource:
        """Sets annotations; None takes one away. Raises Absent."""
        with _translated():
            changed = await self._client.patch(
                _SESSION,
                name,
                {"metadata": {"annotations": dict(annotations)}},
                namespace=namespace,
                patch_type=PatchType.MERGE,
                field_manager=names.CONTROL_PLANE_MANAGER,
            )
            return _plain(changed)

    async def apply_status(
        self, namespace: str, name: str, version: str, status: Mapping[str, Any]
    ) -> Resource:
        """The control plane's fields of the status, all of them. Raises Absent, Conflicts."""
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.SESSION_KIND,
            "metadata": {"name": name, "namespace": namespace, "resourceVersion": version},
            "status": dict(status),
        }
        with _translated():
            changed = await self._client.patch(
                _SESSION.Status,
                name,
                body,
                namespace=namespace,
                patch_type=PatchType.APPLY,
                field_manager=names.CONTROL_PLANE_MANAGER,
                force=True,
            )
            return _plain(changed)

    async def delete(self, namespace: str, name: str) -> None:
        """What is gone already is deleted."""
        try:
            with _translated():
                await self._client.delete(_SESSION, name, namespace=namespace)
        except Absent:
            return

    async def renew(self, namespace: str, name: str, now: datetime) -> None:
        """The Lease that says that gateways are there; it is made when it is missing."""
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")},
        }
        with _translated():
            await self._client.patch(
                Lease,
                name,
                body,
                namespace=namespace,
                patch_type=PatchType.APPLY,
                field_manager=names.CONTROL_PLANE_MANAGER,
                force=True,
            )

    async def pool(self, namespace: str, name: str) -> Resource:
        """An AgentPool. Raises Absent."""
        with _translated():
            return _plain(await self._client.get(_POOL, name, namespace=namespace))

    async def takes_sessions(self, namespace: str) -> bool:
        """Whether one could be created there: not when namespace or kind are gone or going."""
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.SESSION_KIND,
            "metadata": {"name": "csp-probe", "namespace": namespace},
            "spec": {"owner": "csp"},
        }
        try:
            with _translated():
                await self._client.create(
                    _SESSION(body), field_manager=names.CONTROL_PLANE_MANAGER, dry_run=True
                )
        except (Absent, Unwelcome):
            return False
        except (Exists, Rejected):
            return True
        return True


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        raise _meaning(error.status.code, error.status.reason, error.status.message) from error
    except httpx2.HTTPStatusError as error:
        # A path that is not served has no Status as its answer.
        raise _meaning(error.response.status_code, None, str(error)) from error
    except (httpx2.HTTPError, httpx2.StreamError, ConfigError, OSError) as error:
        raise RuntimeUnavailable(
            f"the Kubernetes API server does not answer ({type(error).__name__}: {error})"
        ) from error


def _meaning(code: int | None, reason: str | None, message: str | None) -> Exception:
    text = message or "no reason given"
    match code:
        case 404:
            return Absent(text)
        case 409:
            return Exists(text) if reason == "AlreadyExists" else Conflicts(text)
        case 410:
            return Expired(text)
        # The right to create is in the namespace, and may go before what it is about.
        case 403 if "being terminated" in text or " cannot create resource " in text:
            return Unwelcome(text)
        case 405:
            return Unwelcome(text)
        case 400 | 403 | 422:
            return Rejected(text)
        case _:
            return RuntimeUnavailable(f"the Kubernetes API server answers {code}: {text}")


def _plain(item: Any) -> Resource:
    return dict(item)
