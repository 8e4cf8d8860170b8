"""Lists everything as it is now and puts the picture right: after a gap in a watch, after a long
silence, and before this replica's first decision."""

from __future__ import annotations

from csp_crds import names
from csp_operator.api.client import Listing
from csp_operator.api.resources import PODS, POOLS, SESSIONS, Resource
from csp_operator.intake import Intake
from csp_operator.reconcile.core import Core


class Resync:
    def __init__(self, core: Core, intake: Intake) -> None:
        self._core = core
        self._intake = intake

    async def run(self) -> None:
        """Raises ApiError when the API server does not answer; the picture is then as before.

        Sessions are listed after pods: a claimed pod whose session is missing is then one without
        a session, not one whose session is news.
        """
        for namespace in self._core.settings.namespaces:
            for resource in (POOLS, PODS, SESSIONS):
                await self.one(resource, namespace)
        self._intake.everything()
        self._core.metrics.resyncs.inc()

    async def one(self, resource: Resource, namespace: str) -> int:
        """One kind in one namespace, and the version of the list. Raises ApiError."""
        labels = names.POOL if resource is PODS else None
        listing = await self._core.api.list(resource, namespace, labels=labels)
        enter = {POOLS: self._pools, PODS: self._pods, SESSIONS: self._sessions}[resource]
        enter(namespace, listing)
        return listing.version

    def _pods(self, namespace: str, listing: Listing) -> None:
        for item in listing.items:
            self._intake.pod(item)
        uids = [item["metadata"]["uid"] for item in listing.items]
        for uid in self._core.store.missing_pods(namespace, uids, listing.version):
            self._intake.vanished_pod(uid)

    def _sessions(self, namespace: str, listing: Listing) -> None:
        for item in listing.items:
            self._intake.session(item)
        there = {item["metadata"]["uid"] for item in listing.items}
        for session in list(self._core.store.sessions.values()):
            known = session.namespace == namespace and session.version <= listing.version
            if known and session.uid not in there:
                self._intake.session(
                    _shell(session.namespace, session.name, session.uid), gone=True
                )

    def _pools(self, namespace: str, listing: Listing) -> None:
        for item in listing.items:
            self._intake.pool(item)
        there = {item["metadata"]["uid"] for item in listing.items}
        for pool in list(self._core.store.pools.values()):
            known = pool.namespace == namespace and pool.version <= listing.version
            if known and pool.uid not in there:
                self._intake.pool(_shell(pool.namespace, pool.name, pool.uid), gone=True)


def _shell(namespace: str, name: str, uid: str) -> dict[str, dict[str, str]]:
    return {"metadata": {"namespace": namespace, "name": name, "uid": uid}}
