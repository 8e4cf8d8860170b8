"""The agent definition inside a resource: the same AgentSpec, its field names in camelCase.

Only names of fields change. Keys of maps (tool rules, server names, environment variables, a JSON
schema) are the user's and stay as they are, so the walk follows the models, not the data.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, PlainSerializer
from pydantic.alias_generators import to_camel

from csp_crds.agent import AgentSpec


def agent_from_resource(value: object) -> AgentSpec:
    """The definition that stands in `spec.agent` or `spec.profile`.

    Raises pydantic.ValidationError with the place of what is wrong.
    """
    return AgentSpec.model_validate(_rename(value, AgentSpec, inward=True))


def agent_to_resource(spec: AgentSpec) -> dict[str, Any]:
    """The definition as a resource has it: every field said, nothing left to defaults."""
    dumped = spec.model_dump(mode="json", exclude_none=True)
    renamed: dict[str, Any] = _rename(dumped, AgentSpec, inward=False)
    return renamed


def _rename(value: Any, annotation: Any, *, inward: bool) -> Any:
    model = _model_in(annotation)
    if model is not None and isinstance(value, Mapping):
        fields = _fields(model, inward)
        return {
            _name(key, fields, inward): _rename(
                item, _annotation(model, key, fields), inward=inward
            )
            for key, item in value.items()
        }
    if get_origin(annotation) is dict and isinstance(value, Mapping):
        inner = get_args(annotation)[1]
        return {key: _rename(item, inner, inward=inward) for key, item in value.items()}
    return value


@cache
def _fields(model: type[BaseModel], inward: bool) -> Mapping[str, str]:
    """The model's fields by the name that the data have."""
    return {(to_camel(name) if inward else name): name for name in model.model_fields}


def _name(key: str, fields: Mapping[str, str], inward: bool) -> str:
    if key not in fields:
        return key  # the model refuses it by the name that the user wrote
    return fields[key] if inward else to_camel(key)


def _annotation(model: type[BaseModel], key: str, fields: Mapping[str, str]) -> Any:
    return model.model_fields[fields[key]].annotation if key in fields else None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType):
        return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
    return None


def _before(value: object) -> object:
    return value if isinstance(value, AgentSpec) else _rename(value, AgentSpec, inward=True)


ResourceAgent = Annotated[
    AgentSpec, BeforeValidator(_before), PlainSerializer(agent_to_resource, return_type=dict)
]
"""AgentSpec as a field of a resource's model."""
