"""Agents: versioned definitions of what a session runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request

from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import Conflict, Forbidden, InvalidRequest
from csp_controlplane.gateway.agent_spec import to_spec
from csp_controlplane.gateway.agent_tools import resolve_tools
from csp_controlplane.gateway.auth import Reader, Writer
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.routes.lists import (
    CreatedFrom,
    CreatedUntil,
    Cursor,
    IncludeArchived,
    Limit,
    with_zone,
)
from csp_controlplane.gateway.schemas.agents import (
    AgentAnswer,
    AgentCreate,
    AgentDefinition,
    AgentFields,
    AgentOptions,
    AgentUpdate,
    ModelConfig,
)
from csp_controlplane.gateway.schemas.common import Page, patched_metadata
from csp_controlplane.gateway.schemas.tools import standard_tools
from csp_controlplane.gateway.state import state_of
from csp_controlplane.gateway.views import agent_view
from csp_controlplane.store import agents, audit
from csp_controlplane.store.agents import Agent

router = APIRouter(prefix=f"{API}/agents", tags=["agents"])


@router.post("")
async def create_agent(request: Request, who: Writer, body: AgentCreate) -> AgentAnswer:
    """Makes an agent with version 1."""
    state = state_of(request)
    definition = changed(
        AgentDefinition(name=body.name, metadata=body.metadata, owner=who.user_id), body
    )
    spec = to_spec(definition)
    async with state.db.tenant(who.tenant) as connection:
        agent = await agents.insert(connection, who.tenant, definition.stored(), spec)
        await audit.add(connection, who.tenant, who.user_id, "agent.create", agent.id)
    return agent_view(agent, state.settings.default_model)


@router.get("")
async def list_agents(
    request: Request,
    who: Reader,
    limit: Limit = 20,
    page: Cursor = None,
    include_archived: IncludeArchived = False,
    created_from: CreatedFrom = None,
    created_until: CreatedUntil = None,
) -> Page[AgentAnswer]:
    """The tenant's agents, newest first."""
    state = state_of(request)
    found, following = await agents.page(
        state.db,
        who.tenant,
        limit=limit,
        cursor=page,
        include_archived=include_archived,
        created_from=with_zone(created_from) if created_from else None,
        created_until=with_zone(created_until) if created_until else None,
    )
    model = state.settings.default_model
    return Page(data=[agent_view(agent, model) for agent in found], next_page=following)


@router.get("/{agent_id}")
async def get_agent(
    request: Request,
    who: Reader,
    agent_id: str,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> AgentAnswer:
    """One version; the newest by default."""
    state = state_of(request)
    agent = await agents.get(state.db, who.tenant, agent_id, version)
    return agent_view(agent, state.settings.default_model)


@router.post("/{agent_id}")
async def update_agent(
    request: Request, who: Writer, agent_id: str, body: AgentUpdate
) -> AgentAnswer:
    """Makes a new version. Sessions that run keep the one they began with."""
    state = state_of(request)
    async with state.db.tenant(who.tenant) as connection:
        agent = await agents.lock(connection, agent_id)
        definition = AgentDefinition.model_validate(agent.definition)
        _check_may_change(who, agent, definition)
        if body.version is not None and body.version != agent.version:
            raise Conflict(
                f"version: {body.version} is not current, {agent.version} is. Read the agent "
                "again and repeat your change."
            )
        if agent.archived_at is not None:
            raise Conflict("This agent is archived and cannot be changed.")
        changes = changed(definition, body)
        if changes == definition:
            return agent_view(agent, state.settings.default_model)
        agent = await agents.add_version(
            connection, who.tenant, agent, changes.stored(), to_spec(changes)
        )
        await audit.add(
            connection, who.tenant, who.user_id, "agent.update", agent.id, {"to": agent.version}
        )
    return agent_view(agent, state.settings.default_model)


@router.post("/{agent_id}/archive")
async def archive_agent(request: Request, who: Writer, agent_id: str) -> AgentAnswer:
    """Takes it out of lists; new sessions cannot use it, running ones go on."""
    state = state_of(request)
    async with state.db.tenant(who.tenant) as connection:
        agent = await agents.lock(connection, agent_id)
        _check_may_change(who, agent, AgentDefinition.model_validate(agent.definition))
        agent = await agents.archive(connection, agent_id)
        await audit.add(connection, who.tenant, who.user_id, "agent.archive", agent.id)
    return agent_view(agent, state.settings.default_model)


@router.get("/{agent_id}/versions")
async def list_agent_versions(
    request: Request, who: Reader, agent_id: str, limit: Limit = 20, page: Cursor = None
) -> Page[AgentAnswer]:
    """All versions, newest first."""
    state = state_of(request)
    found, following = await agents.versions(
        state.db, who.tenant, agent_id, limit=limit, cursor=page
    )
    model = state.settings.default_model
    return Page(data=[agent_view(agent, model) for agent in found], next_page=following)


def _check_may_change(who: Principal, agent: Agent, definition: AgentDefinition) -> None:
    """Others run what an agent says, so only its owner and admins may change it."""
    if who.role != "admin" and definition.owner != who.user_id:
        raise Forbidden(
            f"Agent {agent.id!r} belongs to somebody else. Make your own, or ask an administrator."
        )


def changed(definition: AgentDefinition, body: AgentFields) -> AgentDefinition:
    """The definition with the fields that the body names, resolved. Raises InvalidRequest."""
    given = body.model_fields_set
    update: dict[str, Any] = {}
    for name in ("description", "system"):
        if name in given:
            update[name] = getattr(body, name) or None
    for name in ("mcp_servers", "skills"):
        if name in given:
            update[name] = getattr(body, name) or []
    if "model" in given:
        update["model"] = ModelConfig(id=body.model) if isinstance(body.model, str) else body.model
    if "tools" in given:
        update["tools"] = body.tools if body.tools is not None else _no_tools(body)
    if "options" in given:
        update["options"] = body.options or AgentOptions()
    if isinstance(body, AgentUpdate):
        update |= _named(definition, body)
    result = definition.model_copy(update=update)
    tools = resolve_tools(result.tools, result.mcp_servers)
    return result.model_copy(update={"tools": tools})


def _no_tools(body: AgentFields) -> list[Any]:
    """null clears the tools of an agent that is there; a new one gets the standard ones."""
    return [] if isinstance(body, AgentUpdate) else standard_tools()


def _named(definition: AgentDefinition, body: AgentUpdate) -> dict[str, Any]:
    update: dict[str, Any] = {}
    if body.name is not None:
        update["name"] = body.name
    if body.metadata is not None:
        try:
            update["metadata"] = patched_metadata(definition.metadata, body.metadata)
        except ValueError as error:
            raise InvalidRequest(str(error)) from None
    return update
