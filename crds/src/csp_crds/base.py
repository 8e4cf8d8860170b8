"""What the models of both resources share: camelCase names, durations, quantities."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """Reads what an API server stored: unknown fields of newer versions are passed over."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )

    def to_resource(self) -> dict[str, Any]:
        """As it stands in a resource: camelCase, plain JSON values, nothing that is unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


_DURATION = re.compile(r"^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$")


def duration(shortest: str, longest: str) -> Any:
    """Field arguments of a duration such as 1h30m that lies in this range."""
    rules: dict[str, Any] = {
        "x-kubernetes-validations": [
            {
                "rule": f"duration(self) >= duration('{shortest}') && "
                f"duration(self) <= duration('{longest}')",
                "message": f"must be between {shortest} and {longest}",
            }
        ]
    }
    return Field(
        pattern=r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$",
        min_length=2,
        max_length=20,
        json_schema_extra=rules,
    )


def seconds(text: str) -> int:
    """A duration in seconds. Raises ValueError for what is none."""
    found = _DURATION.match(text)
    if not text or found is None:
        raise ValueError(f"{text!r} is no duration such as 30m or 1h30m")
    hours, minutes, rest = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + rest


Quantity = Annotated[
    int | str,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$",
        }
    ),
]
"""A Kubernetes quantity: 500m, 2, 512Mi."""

IntOrPercent = Annotated[
    int | str,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": r"^([1-9][0-9]?|100)%$",
        }
    ),
]
"""A number from 1, or a share such as 25%."""

Open = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]
"""A part of a pod's spec that is passed on as it stands and checked when the pod is made."""
