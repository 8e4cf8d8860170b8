"""Sessions: made, shown, changed, archived, deleted."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import Conflict, InvalidRequest
from csp_controlplane.gateway.agent_spec import to_spec
from csp_controlplane.gateway.answers import JsonResponse
from csp_controlplane.gateway.auth import Reader, Writer
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.routes.agents import changed
from csp_controlplane.gateway.routes.lists import (
    Cursor,
    IncludeArchived,
    Limit,
    created_filters,
    many,
)
from csp_controlplane.gateway.schemas.agents import AgentDefinition, AgentFields, AgentOptions
from csp_controlplane.gateway.schemas.common import Deleted, Page, Text, patched_metadata
from csp_controlplane.gateway.schemas.events import Order
from csp_controlplane.gateway.schemas.sessions import (
    AgentWithOverrides,
    SessionAnswer,
    SessionCreate,
    SessionUpdate,
    Status,
)
from csp_controlplane.gateway.state import GatewayState, state_of
from csp_controlplane.gateway.views import agent_snapshot, agent_view, session_view
from csp_controlplane.store import agents, audit, environments
from csp_controlplane.store.agents import Agent
from csp_controlplane.store.session_views import ListOrder

router = APIRouter(prefix=f"{API}/sessions", tags=["sessions"])

_STATUSES: tuple[Status, ...] = ("rescheduling", "running", "idle", "terminated")


@router.post("", response_model=SessionAnswer)
async def create_session(request: Request, who: Writer, body: SessionCreate) -> Response:
    """A session begins; its worker is being prepared while this answers."""
    state = state_of(request)
    agent = await _agent(state, who, body)
    definition = AgentDefinition.model_validate(agent.definition)
    definition = _overridden(definition, body)
    spec = to_spec(definition)
    shown = agent_view(_with(agent, definition), state.settings.default_model)
    record = await state.sessions.create(
        who,
        agent=agent_snapshot(shown),
        spec=spec,
        agent_id=agent.id,
        agent_version=agent.version,
        environment_id=await _environment(state, who, body.environment_id),
        title=body.title or None,
        metadata=body.metadata,
        initial_events=[
            event.model_dump(mode="json", exclude_none=True) for event in body.initial_events or ()
        ],
    )
    await audit.record(state.db, who.tenant, who.user_id, "session.create", record.id)
    return JsonResponse(session_view(record))


@router.get("", response_model=Page[SessionAnswer])
async def list_sessions(
    request: Request,
    who: Reader,
    limit: Limit = 20,
    page: Cursor = None,
    include_archived: IncludeArchived = False,
    order: Order = "desc",
    order_by: Annotated[
        ListOrder, Query(description="Ours: by creation, or by the newest event.")
    ] = "created_at",
    agent_id: Annotated[Text | None, Query(max_length=128)] = None,
    search: Annotated[Text | None, Query(max_length=200, description="Ours: in titles.")] = None,
) -> Response:
    """Your own sessions, by creation unless `order_by` says otherwise, newest first.

    `statuses[]` and `created_at[...]` narrow them.
    """
    statuses = many(request, "statuses")
    for status in statuses or ():
        if status not in _STATUSES:
            raise InvalidRequest(f"statuses: {status[:40]!r} is none of {', '.join(_STATUSES)}")
    records, following = await state_of(request).sessions.list(
        who,
        limit=limit,
        cursor=page,
        include_archived=include_archived,
        statuses=statuses,
        search=search or None,
        order=order,
        order_by=order_by,
        agent_id=agent_id,
        created=created_filters(request),
    )
    return JsonResponse(
        {"data": [session_view(record) for record in records], "next_page": following}
    )


@router.get("/{session_id}", response_model=SessionAnswer)
async def get_session(request: Request, who: Reader, session_id: str) -> Response:
    return JsonResponse(session_view(await state_of(request).sessions.get(who, session_id)))


@router.post("/{session_id}", response_model=SessionAnswer)
async def update_session(
    request: Request, who: Writer, session_id: str, body: SessionUpdate
) -> Response:
    """Title, metadata, model, permission mode."""
    service = state_of(request).sessions
    changes: dict[str, Any] = {}
    if "title" in body.model_fields_set:
        changes["title"] = body.title or None
    if body.metadata is not None:
        current = (await service.get(who, session_id)).metadata
        try:
            changes["metadata"] = patched_metadata(current, body.metadata)
        except ValueError as error:
            raise InvalidRequest(str(error)) from None
    if body.model is not None:
        changes["model"] = body.model
    if body.permission_mode is not None:
        changes["permission_mode"] = body.permission_mode
    return JsonResponse(session_view(await service.update(who, session_id, **changes)))


@router.delete("/{session_id}")
async def delete_session(request: Request, who: Writer, session_id: str) -> Deleted:
    """Ends it for good: worker, log and transcript."""
    state = state_of(request)
    await state.sessions.delete(who, session_id)
    await audit.record(state.db, who.tenant, who.user_id, "session.delete", session_id)
    return Deleted(id=session_id, type="session_deleted")


@router.post("/{session_id}/archive", response_model=SessionAnswer)
async def archive_session(request: Request, who: Writer, session_id: str) -> Response:
    """Ends its worker and takes it out of the list; its history stays."""
    return JsonResponse(session_view(await state_of(request).sessions.archive(who, session_id)))


@router.post("/{session_id}/unarchive", response_model=SessionAnswer)
async def unarchive_session(request: Request, who: Writer, session_id: str) -> Response:
    """Ours: brings it back."""
    return JsonResponse(session_view(await state_of(request).sessions.unarchive(who, session_id)))


# ---- what a new session runs --------------------------------------------------------------------


async def _agent(state: GatewayState, who: Principal, body: SessionCreate) -> Agent:
    wanted = body.agent
    if wanted is None:
        found = await agents.default(state.db, who.tenant)
        if found is None:
            raise InvalidRequest("agent: there is none yet. Make one with POST /api/v1/agents.")
        return found
    if isinstance(wanted, str):
        agent = await agents.get(state.db, who.tenant, wanted)
    else:
        agent = await agents.get(state.db, who.tenant, wanted.id, wanted.version)
    if agent.archived_at is not None:
        raise Conflict(f"Agent {agent.id!r} is archived: choose another one.")
    return agent


async def _environment(state: GatewayState, who: Principal, wanted: str | None) -> str:
    if wanted is None:
        found = await environments.default(state.db, who.tenant)
        if found is None:
            raise InvalidRequest(
                "environment_id: there is none. An administrator makes one with "
                "POST /api/v1/environments."
            )
        return found.id
    environment = await environments.get(state.db, who.tenant, wanted)
    if environment.archived_at is not None:
        raise Conflict(f"Environment {wanted!r} is archived: choose another one.")
    return environment.id


def _overridden(definition: AgentDefinition, body: SessionCreate) -> AgentDefinition:
    """The definition with what this session replaces."""
    given = body.agent
    fields: dict[str, Any] = {}
    options = dict(definition.options.given())
    if isinstance(given, AgentWithOverrides):
        for name in ("model", "system", "tools", "mcp_servers", "skills"):
            if name in given.model_fields_set:
                fields[name] = getattr(given, name)
        options |= given.options.given() if given.options else {}
    if body.model is not None:
        fields["model"] = body.model
    if body.permission_mode is not None:
        options["permission_mode"] = body.permission_mode
    fields["options"] = AgentOptions.model_validate(options)
    return changed(definition, AgentFields.model_construct(set(fields), **fields))


def _with(agent: Agent, definition: AgentDefinition) -> Agent:
    return Agent(
        id=agent.id,
        version=agent.version,
        current=agent.current,
        definition=definition.stored(),
        spec=agent.spec,
        created_at=agent.created_at,
        updated_at=agent.updated_at,
        archived_at=agent.archived_at,
    )
