"""Query parameters that lists share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Query
from starlette.requests import Request

from csp_controlplane.errors import InvalidRequest
from csp_controlplane.gateway.schemas.common import Text

Limit = Annotated[int, Query(ge=1, le=100, description="Results per page.")]
Cursor = Annotated[
    Text | None, Query(max_length=500, description="`next_page` of the page before.")
]
IncludeArchived = Annotated[bool, Query(description="Archived ones too.")]
CreatedFrom = Annotated[datetime | None, Query(alias="created_at[gte]")]
CreatedUntil = Annotated[datetime | None, Query(alias="created_at[lte]")]

COMPARISONS: Final = ("gt", "gte", "lt", "lte")


def created_filters(request: Request) -> dict[str, datetime]:
    """created_at[gt], [gte], [lt] and [lte] as {"gt": ...}. Raises InvalidRequest."""
    filters = {}
    for comparison in COMPARISONS:
        name = f"created_at[{comparison}]"
        text = request.query_params.get(name)
        if text is None:
            continue
        try:
            filters[comparison] = with_zone(datetime.fromisoformat(text.replace(" ", "+")))
        except ValueError:
            raise InvalidRequest(f"{name}: {text[:40]!r} is not a time in RFC 3339") from None
    return filters


def with_zone(moment: datetime) -> datetime:
    """A time without a zone is UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def many(request: Request, name: str) -> list[str] | None:
    """A repeated parameter, written `name`, `name[]` or with commas. None when it is absent."""
    values = request.query_params.getlist(f"{name}[]") + request.query_params.getlist(name)
    found = [part for value in values for part in value.split(",") if part]
    if len(found) > 100:
        raise InvalidRequest(f"{name}: at most 100 values are possible")
    return found or None
