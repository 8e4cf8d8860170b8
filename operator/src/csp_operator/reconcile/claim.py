"""Claiming: one write turns a waiting pod into a session's.

The write is a JSON patch that tests what must still be true and sets everything at once, so that of
any number of claimers one wins and the others hear 422. What the reply shows is checked again,
because a pod may have stopped being ready or begun to end since it was last seen.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import structlog

from csp_crds import names
from csp_crds.conditions import SessionCondition, find
from csp_operator.api.errors import Away, Conflict, Invalid, NotFound
from csp_operator.api.resources import PODS
from csp_operator.decide.session_status import cold_prefix
from csp_operator.podspec import cold_pod, session_owner
from csp_operator.reconcile.core import Core
from csp_operator.store import Name
from csp_operator.views import PodView, PoolView, SessionView

log = structlog.get_logger(__name__)

_MOST_TRIES = 50


class Busy(Exception):
    """Something of the session is still on its way; look again soon."""


class Claimer:
    """Finds pods for sessions. Raises ApiError when the API server does not help."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def claim(
        self, session: SessionView, pool: PoolView, *, first: bool = True
    ) -> PodView | None:
        """A warm pod that is the session's now; None when there is none to be had, which counts as
        a miss at the session's `first` attempt."""
        metrics = self._core.metrics
        tried = 0
        while (candidate := self._best(session, pool)) is not None and tried < _MOST_TRIES:
            tried += 1
            self._core.reserved.add(candidate.uid)
            try:
                pod = await self._try(session, pool, candidate)
            finally:
                self._core.reserved.discard(candidate.uid)
            if pod is not None:
                settle = self._core.settings.refill_settle_seconds
                self._core.look_at_pool(pool.namespace, pool.name, settle)
                return pod
        if first:
            metrics.misses.labels("none_left" if tried else "none_warm").inc()
        return None

    async def make(self, session: SessionView, pool: PoolView) -> PodView:
        """A pod made for this session. Its name follows from the session's state, so that two
        attempts, by whomever, are one pod."""
        plan = await self._core.blueprints.of(pool)
        body = cold_pod(session, pool, plan, _cold_name(session))
        try:
            made = await self._core.api.create(PODS, session.namespace, body)
        except Conflict as error:
            if not error.exists:
                raise
            made = await self._existing(session, body["metadata"]["name"])
        self._core.store.put_pod(made)
        return self._core.store.pods[made["metadata"]["uid"]]

    async def _existing(self, session: SessionView, name: str) -> dict[str, Any]:
        """The pod that an attempt made whose answer was lost."""
        made = await self._core.api.get(PODS, session.namespace, name)
        self._core.store.put_pod(made)
        pod = self._core.store.pods.get(made["metadata"]["uid"])
        if pod is None or pod.session_uid != session.uid or not pod.alive:
            raise Busy(f"the pod {name} of an earlier attempt is still ending")
        return made

    def _best(self, session: SessionView, pool: PoolView) -> PodView | None:
        """Of the right profile first, then of the present template, then the oldest."""
        core = self._core
        wanted = session.profile
        fresh, reach = core.blueprints.known_hash(pool), core.blueprints.addresses
        free = (
            pod
            for pod in core.store.claimable(Name(pool.namespace, pool.name))
            if pod.owner_uid == pool.uid
            and pod.uid not in core.reserved
            and (reach is None or pod.addresses == reach)
        )
        return min(
            free,
            key=lambda pod: (pod.profile != wanted, pod.template_hash != fresh, pod.created),
            default=None,
        )

    async def _try(
        self, session: SessionView, pool: PoolView, candidate: PodView
    ) -> PodView | None:
        core, retries = self._core, self._core.metrics.retries
        begun = asyncio.get_running_loop().time()
        try:
            patched = await core.api.json_patch(
                PODS, candidate.namespace, candidate.name, _claim_patch(session, pool, candidate)
            )
        except NotFound:
            core.store.drop_pod(candidate.uid)
            retries.labels("gone").inc()
            return None
        except (Conflict, Invalid) as error:
            retries.labels("conflict" if isinstance(error, Conflict) else "changed").inc()
            await self._refresh(candidate)
            return None
        except Away as error:
            if error.known:
                raise
            retries.labels("unknown").inc()
            return await self._found_claimed(session, error)
        core.metrics.claim.labels("patch").observe(asyncio.get_running_loop().time() - begun)
        core.store.put_pod(patched)
        pod = core.store.pods.get(candidate.uid)
        if pod is None or not pod.alive or not pod.ready:
            retries.labels("unusable").inc()
            if pod is not None:
                await core.delete_pod(pod, "unusable")
                core.store.drop_pod(pod.uid)
            return None
        return pod

    async def _refresh(self, pod: PodView) -> None:
        """It is not what it seemed: the next choice must not find it as it was."""
        try:
            self._core.store.put_pod(await self._core.api.get(PODS, pod.namespace, pod.name))
        except NotFound:
            self._core.store.drop_pod(pod.uid)

    async def _found_claimed(self, session: SessionView, error: Away) -> PodView | None:
        """After a write without an answer: what is the case, before anything else is tried."""
        selector = f"{names.SESSION_UID}={session.uid}"
        listed = await self._core.api.list(PODS, session.namespace, labels=selector)
        for item in listed.items:
            self._core.store.put_pod(item)
            pod = self._core.store.pods.get(item["metadata"]["uid"])
            if pod is not None and pod.alive and pod.ready:
                log.info("claim_went_through", session=session.name, pod=pod.name)
                return pod
        raise error


def _claim_patch(session: SessionView, pool: PoolView, pod: PodView) -> list[dict[str, Any]]:
    labels = "/metadata/labels/"
    state = labels + names.STATE.replace("/", "~1")
    return [
        {"op": "test", "path": "/metadata/uid", "value": pod.uid},
        {"op": "test", "path": state, "value": names.STATE_WARM},
        {"op": "test", "path": "/metadata/ownerReferences/0/uid", "value": pool.uid},
        {"op": "replace", "path": state, "value": names.STATE_CLAIMED},
        {
            "op": "add",
            "path": labels + names.SESSION_UID.replace("/", "~1"),
            "value": session.uid,
        },
        {
            "op": "add",
            "path": "/metadata/annotations/" + names.SESSION_NAME.replace("/", "~1"),
            "value": session.name,
        },
        {
            "op": "replace",
            "path": "/metadata/ownerReferences",
            "value": [session_owner(session)],
        },
    ]


def _cold_name(session: SessionView) -> str:
    """Another one after each loss and each pause: an earlier pod may still be ending."""
    status = session.status
    bound = find(status.conditions, SessionCondition.BOUND)
    state = [
        session.uid,
        bound.last_transition_time.isoformat() if bound else "",
        str(status.rebinds or 0),
        status.pod.uid if status.pod else "",
        session.release or "",
    ]
    return cold_prefix(session) + hashlib.sha256("/".join(state).encode()).hexdigest()[:8]
