"""Environments: where sessions run. Administrators keep them."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from starlette.requests import Request

from csp_controlplane.errors import InvalidRequest
from csp_controlplane.gateway.auth import Admin, Reader
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.routes.lists import Cursor, IncludeArchived, Limit
from csp_controlplane.gateway.schemas.common import Deleted, Page, patched_metadata
from csp_controlplane.gateway.schemas.environments import (
    Cloud,
    EnvironmentAnswer,
    EnvironmentCreate,
    EnvironmentUpdate,
    SelfHosted,
    resolved_config,
)
from csp_controlplane.gateway.state import state_of
from csp_controlplane.gateway.views import environment_view
from csp_controlplane.store import audit, environments

router = APIRouter(prefix=f"{API}/environments", tags=["environments"])


@router.post("")
async def create_environment(
    request: Request, who: Admin, body: EnvironmentCreate
) -> EnvironmentAnswer:
    _check_pool(request, body.config)
    async with state_of(request).db.tenant(who.tenant) as connection:
        made = await environments.insert(
            connection,
            who.tenant,
            name=body.name,
            description=body.description,
            config=resolved_config(body.config),
            metadata=body.metadata,
        )
        await audit.add(connection, who.tenant, who.user_id, "environment.create", made.id)
    return environment_view(made)


@router.get("")
async def list_environments(
    request: Request,
    who: Reader,
    limit: Limit = 20,
    page: Cursor = None,
    include_archived: IncludeArchived = False,
) -> Page[EnvironmentAnswer]:
    """The tenant's environments, newest first."""
    found, following = await environments.page(
        state_of(request).db,
        who.tenant,
        limit=limit,
        cursor=page,
        include_archived=include_archived,
    )
    return Page(data=[environment_view(each) for each in found], next_page=following)


@router.get("/{environment_id}")
async def get_environment(request: Request, who: Reader, environment_id: str) -> EnvironmentAnswer:
    return environment_view(
        await environments.get(state_of(request).db, who.tenant, environment_id)
    )


@router.post("/{environment_id}")
async def update_environment(
    request: Request, who: Admin, environment_id: str, body: EnvironmentUpdate
) -> EnvironmentAnswer:
    """Changes the fields that are given. Sessions that have a worker keep its pool."""
    _check_pool(request, body.config)
    async with state_of(request).db.tenant(who.tenant) as connection:
        current = await environments.lock(connection, environment_id)
        try:
            metadata = patched_metadata(current.metadata, body.metadata)
        except ValueError as error:
            raise InvalidRequest(str(error)) from None
        wanted = replace(current, metadata=metadata)
        if body.name is not None:
            wanted = replace(wanted, name=body.name)
        if "description" in body.model_fields_set:
            wanted = replace(wanted, description=body.description or None)
        if body.config is not None:
            wanted = replace(wanted, config=resolved_config(body.config))
        saved = await environments.save(connection, wanted)
        await audit.add(connection, who.tenant, who.user_id, "environment.update", saved.id)
    return environment_view(saved)


@router.post("/{environment_id}/archive")
async def archive_environment(
    request: Request, who: Admin, environment_id: str
) -> EnvironmentAnswer:
    """New sessions cannot use it any more; those that run go on."""
    db = state_of(request).db
    archived = await environments.archive(db, who.tenant, environment_id)
    await audit.record(db, who.tenant, who.user_id, "environment.archive", environment_id)
    return environment_view(archived)


@router.delete("/{environment_id}")
async def delete_environment(request: Request, who: Admin, environment_id: str) -> Deleted:
    db = state_of(request).db
    await environments.delete(db, who.tenant, environment_id)
    await audit.record(db, who.tenant, who.user_id, "environment.delete", environment_id)
    return Deleted(id=environment_id, type="environment_deleted")


def _check_pool(request: Request, config: SelfHosted | Cloud | None) -> None:
    asked = config.pool if isinstance(config, SelfHosted) else None
    if asked is not None and not state_of(request).runtime.has_pools:
        raise InvalidRequest(
            "config.pool: there are no pools here, because csp does not run on Kubernetes. Leave "
            "it out."
        )
