"""A resource becomes a session: its owner is found, its row is made, its prompt is sent.

Each step is idempotent by the resource's UID: it is the row's unique origin and the prompt's
message id. Whatever dies in between, the next look goes on.
"""

from __future__ import annotations

from contextlib import suppress

from csp_controlplane.adoption.judging import Refusal, budget_microusd, judge, parse
from csp_controlplane.attach.lifecycle import SessionGone
from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import ApiError, Conflict, InvalidRequest, NotFound
from csp_controlplane.runtime.kubernetes.api import Resource
from csp_controlplane.runtime.kubernetes.mirror import Key
from csp_controlplane.runtime.kubernetes.runtime import KubernetesRuntime
from csp_controlplane.sessions.branches import ForkRequest
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store import origins, sessions
from csp_controlplane.store.database import Database
from csp_controlplane.store.origins import Origin
from csp_crds.session import AgentSessionSpec, ForkFrom


class Birth:
    """See the module."""

    def __init__(self, db: Database, service: SessionService, runtime: KubernetesRuntime) -> None:
        self._db = db
        self._service = service
        self._runtime = runtime

    async def of(self, key: Key, resource: Resource) -> Origin | Refusal:
        """The session of a resource that has none yet. Raises the database's errors."""
        spec = parse(resource)
        if isinstance(spec, Refusal):
            return spec
        tenant = self._runtime.settings.tenant_of(key[0])
        who = await origins.find_owner(self._db, tenant, spec.owner) if tenant else None
        refusal = judge(spec, key[0], tenant, who is not None)
        if refusal is not None or who is None:
            return refusal or Refusal("UnknownOwner", "spec.owner: there is no such user.")
        if spec.resume_from is not None:
            refusal = await self._not_resumable(who, spec.resume_from)
            if refusal is not None:
                return refusal
        uid = str(resource["metadata"]["uid"])
        if spec.fork_from is not None:
            return await self._fork(who, uid, spec, spec.fork_from)
        session = await self._service.resources.create(
            who,
            uid,
            spec.agent,
            budget_microusd=budget_microusd(spec),
            resume_from=spec.resume_from,
        )
        if spec.resume_from is not None:
            with suppress(SessionGone):
                text = f"The conversation goes on in the session {session}."
                await self._service.resources.end(who.tenant, spec.resume_from, text)
        return Origin(who.tenant, session, uid)

    async def _fork(
        self, who: Principal, uid: str, spec: AgentSessionSpec, place: ForkFrom
    ) -> Origin | Refusal:
        asked = ForkRequest(
            at=place.at, origin_uid=uid, spec=spec.agent, budget_microusd=budget_microusd(spec)
        )
        try:
            session = await self._service.branches.born(who, place.session_id, asked)
        except NotFound as error:
            return Refusal("UnknownSession", f"spec.forkFrom.sessionId: {error.message}")
        except (InvalidRequest, Conflict) as error:
            return Refusal("NoSuchPlace", f"spec.forkFrom.{error.message}")
        return Origin(who.tenant, session, uid)

    async def _not_resumable(self, who: Principal, session: str) -> Refusal | None:
        """Why an earlier session cannot go on under a new resource; None: it can."""
        row = await sessions.load(self._db, who.tenant, session)
        if row is None or row.owner != who.user_id:
            return Refusal(
                "UnknownSession",
                f"spec.resumeFrom: the owner has no session {session[:64]!r}. Ids begin with "
                "sesn_ and are in status.sessionId of the earlier resource.",
            )
        if row.state not in ("completed", "paused"):
            return Refusal(
                "SessionInUse",
                f"spec.resumeFrom: the session {session} is still {row.state}. Delete or suspend "
                "its AgentSession, or end it on the page; this is looked at again every minute.",
            )
        return None

    async def say_prompt(self, origin: Origin, resource: Resource) -> None:
        """Sends spec.prompt, once: a second sending under the same message id changes nothing."""
        spec = parse(resource)
        if isinstance(spec, Refusal) or spec.prompt is None:
            return
        who = await self._owner(origin, spec)
        if who is None:
            return
        message = {
            "type": "user.message",
            "client_id": str(resource["metadata"]["uid"]),
            "content": [{"type": "text", "text": spec.prompt.text}],
        }
        try:
            await self._service.send(
                who, origin.session, [message], client_id=None, request_hash=None, is_retry=False
            )
        except ApiError as error:
            if error.status >= 500:
                raise

    async def _owner(self, origin: Origin, spec: AgentSessionSpec) -> Principal | None:
        row = await sessions.load(self._db, origin.tenant, origin.session)
        return Principal(origin.tenant, row.owner) if row is not None else None
