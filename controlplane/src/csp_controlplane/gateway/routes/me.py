"""The signed-in user, and their API keys."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

from fastapi import APIRouter
from starlette.requests import Request

from csp_controlplane.domain.vocabulary import MAX_EVENT_BYTES, MAX_QUEUE
from csp_controlplane.errors import InvalidRequest
from csp_controlplane.gateway.auth import Admin, Reader, Writer
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.schemas.common import Deleted, Page
from csp_controlplane.gateway.schemas.people import (
    ApiKeyAnswer,
    ApiKeyCreate,
    ErasedAnswer,
    LimitsAnswer,
    MeAnswer,
    ModelAnswer,
    NewApiKeyAnswer,
    TenantAnswer,
    UserAnswer,
    is_past,
)
from csp_controlplane.gateway.state import state_of
from csp_controlplane.store import keys, users
from csp_controlplane.store.keys import ApiKey
from csp_crds.agent import PERMISSION_MODES

router = APIRouter(prefix=API, tags=["me"])
VERSION = version("csp-controlplane")


@router.get("/me")
async def get_me(request: Request, who: Reader) -> MeAnswer:
    """Who is signed in, and what this installation offers."""
    state = state_of(request)
    settings = state.settings
    return MeAnswer(
        user=UserAnswer(id=who.user_id, name=who.name, email=who.email, role=who.role),
        tenant=TenantAnswer(id=who.tenant, name=await users.tenant_name(state.db, who.tenant)),
        scripted_model=settings.scripted_model,
        version=VERSION,
        models=[
            ModelAnswer(id=model.id, name=model.name, context_window=model.context_window)
            for model in settings.models
        ],
        permission_modes=list(PERMISSION_MODES),
        limits=LimitsAnswer(
            message_bytes=MAX_EVENT_BYTES,
            queue=MAX_QUEUE,
            attachment_bytes=settings.upload_bytes,
        ),
    )


@router.post("/api_keys")
async def create_api_key(request: Request, who: Writer, body: ApiKeyCreate) -> NewApiKeyAnswer:
    """Makes a key that acts as you. The answer is the only place where it can be read."""
    if is_past(body.expires_at, datetime.now(UTC)):
        raise InvalidRequest("expires_at: this time has passed")
    key, secret = await keys.create_key(
        state_of(request).db, who.tenant, who.user_id, body.name, body.expires_at
    )
    return NewApiKeyAnswer(**_fields(key), key=secret)


@router.get("/api_keys")
async def list_api_keys(request: Request, who: Reader) -> Page[ApiKeyAnswer]:
    """Your keys that are not revoked, newest first."""
    found = await keys.list_keys(state_of(request).db, who.tenant, who.user_id)
    return Page(data=[ApiKeyAnswer(**_fields(key)) for key in found], next_page=None)


@router.delete("/api_keys/{key_id}")
async def revoke_api_key(request: Request, who: Writer, key_id: str) -> Deleted:
    """Refused from now on."""
    await keys.revoke_key(state_of(request).db, who.tenant, who.user_id, key_id, by=who.user_id)
    return Deleted(id=key_id, type="api_key_deleted")


@router.get("/users")
async def list_users(request: Request, who: Admin) -> Page[UserAnswer]:
    """For administrators: everybody of the tenant."""
    found = await users.list_users(state_of(request).db, who.tenant)
    people = [UserAnswer(id=u.id, name=u.name, email=u.email, role=u.role) for u in found]
    return Page(data=people, next_page=None)


@router.post("/users/{user_id}/erase")
async def erase_user(request: Request, who: Admin, user_id: str) -> ErasedAnswer:
    """For administrators: a person's sessions, files, keys and name are removed for good.

    What stays is an id without a name, what it cost, and a line in the audit log.
    """
    erased = await state_of(request).sessions.erasure.person(who, user_id)
    return ErasedAnswer(id=user_id, sessions=erased.sessions, files=erased.files, keys=erased.keys)


def _fields(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }
