"""Resources of the API and what the operator may do with each: the source of its RBAC rules.

The client refuses a call that is not in this table, so a handler cannot use what the chart would
not grant; a test sees to the other direction, that nothing is granted without use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from csp_crds import names


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of the API, by its plural."""

    group: str
    version: str
    plural: str

    def path(self, namespace: str, name: str | None = None, sub: str | None = None) -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root, "namespaces", quote(namespace), self.plural]
        parts += [quote(part) for part in (name, sub) if part]
        return "/".join(parts)


SESSIONS = Resource(names.GROUP, names.VERSION, names.SESSION_PLURAL)
POOLS = Resource(names.GROUP, names.VERSION, names.POOL_PLURAL)
PODS = Resource("", "v1", "pods")
SERVICES = Resource("", "v1", "services")
EVENTS = Resource("", "v1", "events")
LEASES = Resource("coordination.k8s.io", "v1", "leases")

USES: dict[tuple[Resource, str | None], frozenset[str]] = {
    (SESSIONS, None): frozenset({"get", "list", "watch", "patch", "delete"}),
    (SESSIONS, "status"): frozenset({"patch"}),
    (POOLS, None): frozenset({"get", "list", "watch"}),
    (POOLS, "status"): frozenset({"patch"}),
    (PODS, None): frozenset({"get", "list", "watch", "create", "patch", "delete"}),
    (EVENTS, None): frozenset({"create"}),
}
"""In every namespace that is served."""

USES_AT_HOME: dict[tuple[Resource, str | None], frozenset[str]] = {
    (SERVICES, None): frozenset({"get"}),
    (LEASES, None): frozenset({"get", "create", "update"}),
}
"""In the operator's own namespace only: the Lease, and the addresses that workers are given."""


def rules(uses: dict[tuple[Resource, str | None], frozenset[str]]) -> list[dict[str, Any]]:
    """The rules of an RBAC Role that allows exactly these uses."""
    return [
        {
            "apiGroups": [resource.group],
            "resources": [f"{resource.plural}/{sub}" if sub else resource.plural],
            "verbs": sorted(verbs),
        }
        for (resource, sub), verbs in uses.items()
    ]
