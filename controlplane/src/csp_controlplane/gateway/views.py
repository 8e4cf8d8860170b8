"""Rows as the API shows them."""

from __future__ import annotations

from typing import Any, cast

from csp_controlplane.domain.records import SessionRecord
from csp_controlplane.domain.vocabulary import State
from csp_controlplane.gateway.schemas.agents import AgentAnswer, AgentDefinition, AgentParts
from csp_controlplane.gateway.schemas.common import rfc3339
from csp_controlplane.gateway.schemas.environments import EnvironmentAnswer
from csp_controlplane.gateway.schemas.files import FileAnswer
from csp_controlplane.gateway.schemas.sessions import STATUS_OF, Status
from csp_controlplane.store.agents import Agent
from csp_controlplane.store.environments import Environment
from csp_controlplane.store.files import StoredFile

MICROUSD_PER_CENT = 10_000


def agent_view(agent: Agent, default_model: str) -> AgentAnswer:
    """One version of an agent. Defaults are written out, so that clients need not know them."""
    definition = AgentDefinition.model_validate(agent.definition)
    body = definition.stored()
    body["model"] = body["model"] or {
        "id": default_model,
        "effort": None,
        "inference_geo": None,
        "speed": None,
    }
    for skill in body["skills"]:
        skill["version"] = skill["version"] or "latest"
    return AgentAnswer(
        id=agent.id,
        version=agent.version,
        created_at=agent.created_at,
        updated_at=agent.updated_at,
        archived_at=agent.archived_at,
        **body,
    )


def agent_snapshot(view: AgentAnswer) -> dict[str, Any]:
    """What a session keeps of its agent: schemas.agents.AgentParts as JSON."""
    return view.model_dump(mode="json", include=set(AgentParts.model_fields))


def environment_view(environment: Environment) -> EnvironmentAnswer:
    return EnvironmentAnswer(
        id=environment.id,
        name=environment.name,
        description=environment.description,
        config=environment.config,
        metadata=environment.metadata,
        created_at=environment.created_at,
        updated_at=environment.updated_at,
        archived_at=environment.archived_at,
    )


def file_view(file: StoredFile) -> FileAnswer:
    return FileAnswer(
        id=file.id,
        filename=file.name,
        mime_type=file.media_type,
        size_bytes=file.size,
        created_at=file.created_at,
    )


def status_of(record: SessionRecord) -> Status:
    """The API's status: a turn that waits for a person is idle."""
    if record.state == "running" and record.pending:
        return "idle"
    return STATUS_OF[cast(State, record.state)]


def session_view(record: SessionRecord) -> dict[str, Any]:
    """A session as JSON: what schemas.sessions.SessionAnswer describes."""
    cost = record.usage.get("cost_microusd", 0)
    return {
        "type": "session",
        "id": record.id,
        "agent": _session_agent(record),
        "environment_id": record.environment_id or "",
        "title": record.title,
        "metadata": record.metadata,
        "status": status_of(record),
        "usage": _usage(record.usage, cost),
        "stats": {
            "duration_seconds": (record.last_event_at - record.created_at).total_seconds(),
        },
        "budget": None,
        "deployment_id": None,
        "outcome_evaluations": [],
        "resources": [],
        "vault_ids": [],
        "created_at": rfc3339(record.created_at),
        "updated_at": rfc3339(record.updated_at),
        "archived_at": rfc3339(record.archived_at) if record.archived_at else None,
        "state": record.state,
        "seq": record.last_seq,
        "owner": record.owner,
        "model": record.model,
        "permission_mode": record.permission_mode,
        "permission_modes": record.spec.permission_modes,
        "queue": record.queue,
        "pending": record.pending,
        "cost_usd": cost / 1_000_000,
        "last_event_at": rfc3339(record.last_event_at),
    }


def _usage(usage: dict[str, int], cost_microusd: int) -> dict[str, Any]:
    return {
        "input_tokens": usage.get("input_tokens", 0),
        "output_tokens": usage.get("output_tokens", 0),
        "cache_read_input_tokens": usage.get("cache_read_input_tokens", 0),
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.get("cache_creation_input_tokens", 0),
            "ephemeral_1h_input_tokens": 0,
        },
        "list_cost": {
            "amount": str(round(cost_microusd / MICROUSD_PER_CENT)),
            "currency": "USD",
        },
    }


def _session_agent(record: SessionRecord) -> dict[str, Any]:
    """The snapshot; one that did not come through the API is filled up."""
    return {
        "type": "agent",
        "id": record.agent_id or "",
        "version": record.agent_version or 1,
        "name": "Agent",
        "description": None,
        "model": {"id": record.spec.model or "default"},
        "system": record.spec.system_prompt,
        "tools": [],
        "mcp_servers": [],
        "skills": [],
        "multiagent": None,
        "execution_identity": {"type": "service_account"},
        "options": {},
        **record.agent,
    }
