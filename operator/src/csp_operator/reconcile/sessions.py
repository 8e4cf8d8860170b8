"""Brings one AgentSession to what its plan says. At most one status write a pass."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import structlog

from csp_crds import names
from csp_operator.activity import Activity
from csp_operator.api.errors import ApiError, Away, Conflict, Forbidden, Invalid, NotFound
from csp_operator.api.resources import PODS, SESSIONS
from csp_operator.decide.plan import Knobs, Note, Says, SessionFacts, SessionPlan
from csp_operator.decide.pool_status import trouble_of
from csp_operator.decide.session_status import apply_body, is_written, start_of, status_of
from csp_operator.decide.sessions import (
    OUTDATED,
    bound_to,
    decide_session,
    finish,
    hinders,
    starting,
    waiting,
)
from csp_operator.pulse import Pulse
from csp_operator.reconcile.claim import Claimer
from csp_operator.reconcile.core import Core
from csp_operator.store import Name
from csp_operator.surroundings import NoAddress
from csp_operator.views import SessionView

log = structlog.get_logger(__name__)

_REFUSED_RETRY_S = 10.0


class SessionReconciler:
    """`look` may raise ApiError; the queue then asks again."""

    def __init__(self, core: Core, activity: Activity, pulse: Pulse) -> None:
        self._core = core
        self._claimer = Claimer(core)
        self._activity = activity
        self._pulse = pulse
        settings = core.settings
        self._knobs = Knobs(
            stable_s=settings.stable_seconds,
            turn_grace_s=settings.turn_grace_seconds,
            idle_margin_s=settings.idle_margin_seconds,
        )

    async def look(self, name: Name, since: float) -> None:
        """`since`: when the news came that led here, in the loop's clock."""
        session = self._core.store.sessions.get(name)
        if session is None:
            return
        if session.deleting:  # somebody's finalizer holds it; its pods need not wait for that
            await self._drop_all(session)
            return
        facts = self._facts(session)
        plan = decide_session(facts)
        if plan.check:
            facts = await self._check_named(facts)
            plan = decide_session(facts)
        pool = Name(session.namespace, session.spec.pool_ref.name) if session.spec else None
        waited = pool is not None and self._core.wait_no_more(name, pool)
        claimed = False
        if plan.acquire:
            plan = await self._give_up_outdated(plan)
            plan = await self._acquire(facts, plan, since, waited)
            claimed = plan.phase == "Bound"
        written = await self._write(session, plan)
        if claimed and written:
            self._measure(since)
        if plan.lost and written:
            self._core.metrics.rebinds.inc()
        for pod, why in plan.drop:
            await self._core.delete_pod(pod, why)
        await self._finish_up(session, plan)

    async def _give_up_outdated(self, plan: SessionPlan) -> SessionPlan:
        """A worker that nobody has given up yet ends before the session has another."""
        for pod, why in plan.drop:
            if why == OUTDATED:
                await self._core.delete_pod(pod, why)
        return replace(plan, drop=tuple(one for one in plan.drop if one[1] != OUTDATED))

    def _facts(self, session: SessionView, known_gone: str | None = None) -> SessionFacts:
        return SessionFacts(
            session=session,
            pods=self._core.store.pods_of_session(session.uid),
            now=self._core.clock.now(),
            quiet_s=min(self._activity.quiet_for(session), self._pulse.heard_for()),
            addresses=self._core.blueprints.addresses,
            known_gone=known_gone,
            knobs=self._knobs,
        )

    async def _check_named(self, facts: SessionFacts) -> SessionFacts:
        """The picture lacks the session's pod: is it gone, or is the picture old?"""
        session = facts.session
        pod = session.status.pod
        if pod is None:
            return facts
        try:
            found = await self._core.api.get(PODS, session.namespace, pod.name)
        except NotFound:
            found = None
        if found is not None and found["metadata"]["uid"] == pod.uid:
            self._core.store.put_pod(found)
            mine = self._core.store.pods.get(pod.uid)
            if mine is not None and mine.session_uid == session.uid:
                return self._facts(session)
        return self._facts(session, known_gone=pod.uid)

    async def _acquire(
        self, facts: SessionFacts, plan: SessionPlan, since: float, waited: bool
    ) -> SessionPlan:
        """`waited`: it has found no warm pod before."""
        core, session = self._core, facts.session
        spec = session.spec
        if spec is None:
            return plan
        name = Name(session.namespace, session.name)
        pool_name = Name(session.namespace, spec.pool_ref.name)
        core.metrics.claim.labels("queue").observe(asyncio.get_running_loop().time() - since)
        pool = core.pool_of(session)
        if pool is None:
            core.wait_for_pod(session, pool_name)
            text = f"There is no AgentPool {pool_name.name} in the namespace {name.namespace}."
            return replace(plan, bound=Says("False", "PoolNotFound", text))
        pod = await self._claimer.claim(session, pool, first=not waited)
        if pod is not None:
            core.metrics.starts.labels(start_of(session, pod)).inc()
            return replace(plan, phase="Bound", bound=bound_to(pod), pod=pod)
        if spec.cold_start == "Reject":
            text = f"AgentPool {pool.name} has no warm pod and coldStart is Reject."
            trouble = trouble_of(pool.status)
            if trouble is not None:
                text = f"{text} {trouble.message or trouble.reason}"
            return finish(facts, "Failed", "NoWarmPod", text)
        if spec.cold_start == "Wait":
            core.wait_for_pod(session, pool_name)
            return replace(plan, bound=waiting(pool))
        return await self._start_cold(session, plan)

    async def _start_cold(self, session: SessionView, plan: SessionPlan) -> SessionPlan:
        core = self._core
        pool = core.pool_of(session)
        if pool is None:
            return plan
        try:
            pod = await self._claimer.make(session, pool)
        except (NoAddress, ValueError) as error:
            text = f"No pod can be made: {error}"
        except (Forbidden, Invalid) as error:
            text = f"No pod can be made: {error.message}"
        except ApiError as error:
            if isinstance(error, Away | Conflict | NotFound):
                raise
            text = f"No pod can be made: {error.message}"
        else:
            core.metrics.starts.labels("cold").inc()
            note = Note("Normal", "ColdStart", f"No warm pod: pod {pod.name} is made.")
            notes = (*plan.notes, note)
            return replace(plan, phase="Starting", bound=starting(pod), pod=pod, notes=notes)
        core.wait_for_pod(session, Name(pool.namespace, pool.name))
        bound = Says("False", "PodRefused", text)
        return replace(plan, bound=bound, look_again_s=_REFUSED_RETRY_S)

    async def _write(self, session: SessionView, plan: SessionPlan) -> bool:
        """Whether the status says the plan now. A session that is gone leaves no pods behind."""
        core = self._core
        present = core.store.session_by_uid(session.uid)
        status = status_of(present or session, plan, core.clock.now())
        if present is not None and is_written(present, status):
            return True
        begun = asyncio.get_running_loop().time()
        try:
            answer = await core.api.apply_status(
                SESSIONS, session.namespace, session.name, apply_body(session, status)
            )
        except (NotFound, Conflict) as error:
            if isinstance(error, Conflict) and await self._still_there(session):
                raise
            core.store.drop_session(Name(session.namespace, session.name), session.uid)
            await self._drop_all(session)
            return False
        core.metrics.claim.labels("status").observe(asyncio.get_running_loop().time() - begun)
        core.store.put_session(answer)
        for note in self._all_notes(session, plan):
            core.notes.say(session, note)
        return True

    def _all_notes(self, session: SessionView, plan: SessionPlan) -> tuple[Note, ...]:
        before = session.status.pod.uid if session.status.pod else None
        if plan.phase == "Bound" and plan.pod is not None and plan.pod.uid != before:
            start = start_of(session, plan.pod)
            return (*plan.notes, Note("Normal", "Bound", f"Pod {plan.pod.name} ({start})."))
        if hinders(plan):
            return (*plan.notes, Note("Warning", plan.bound.reason, plan.bound.message))
        return plan.notes

    async def _still_there(self, session: SessionView) -> bool:
        try:
            found = await self._core.api.get(SESSIONS, session.namespace, session.name)
        except NotFound:
            return False
        same: bool = found["metadata"]["uid"] == session.uid
        if same:
            self._core.store.put_session(found)
        return same

    async def _drop_all(self, session: SessionView) -> None:
        for pod in self._core.store.pods_of_session(session.uid):
            if not pod.deleting:
                await self._core.delete_pod(pod, "orphan")

    async def _finish_up(self, session: SessionView, plan: SessionPlan) -> None:
        core = self._core
        current = core.store.session_by_uid(session.uid)
        if current is None:
            return
        if plan.pause:
            await self._pause(current)
        if plan.remove:
            version = str(current.version)
            with suppress(NotFound):
                await core.api.delete(
                    SESSIONS, session.namespace, session.name, uid=session.uid, version=version
                )
        if plan.look_again_s is not None:
            core.look_at_session(current, max(0.05, plan.look_again_s))

    async def _pause(self, session: SessionView) -> None:
        """Only as the session was judged: a turn that began meanwhile makes this a conflict."""
        body = {
            "metadata": {
                "resourceVersion": str(session.version),
                "annotations": {names.PAUSED: "true"},
            }
        }
        answer = await self._core.api.merge_patch(SESSIONS, session.namespace, session.name, body)
        self._core.store.put_session(answer)
        self._core.look_at_session(session)

    def _measure(self, since: float) -> None:
        took = asyncio.get_running_loop().time() - since
        self._core.metrics.claim.labels("total").observe(took)
