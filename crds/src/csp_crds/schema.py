"""Structural schemas out of the models: what an API server accepts of JSON Schema, and no more.

References are resolved in place, `null` alternatives go (an API server prunes nulls), names of
fields become camelCase and defaults of nested objects become `{}`, so that each default stands in
one place, except where rules read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from csp_crds.base import Model

_KEPT = (
    "type", "description", "format", "enum", "pattern", "minimum", "maximum", "minLength",
    "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "required",
)  # fmt: skip


class _WithFactories(GenerateJsonSchema):
    """Says the defaults that a factory makes, too."""

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        factory: Any = schema.get("default_factory")
        return factory() if factory is not None else super().get_default_value(schema)

    def encode_default(self, dft: Any) -> Any:
        if not isinstance(dft, BaseModel):
            return super().encode_default(dft)
        # Rules of an object are tried on its default as it stands, before those of its fields.
        ruled = isinstance(dft, Model) and dft.model_config.get("json_schema_extra")
        return dft.to_resource() if ruled and isinstance(dft, Model) else {}


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a resource's part, as it stands in a CustomResourceDefinition."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_WithFactories)
    return _convert(schema, schema.get("$defs", {}))


def _convert(schema: JsonSchemaValue, definitions: Mapping[str, Any]) -> dict[str, Any]:
    schema = _resolved(schema, definitions)
    if "const" in schema:
        schema["enum"] = [schema["const"]]
    made = {key: schema[key] for key in _KEPT if key in schema}
    made |= {key: value for key, value in schema.items() if key.startswith("x-kubernetes-")}
    if schema.get("default") is not None:
        made["default"] = schema["default"]
    if made.get("x-kubernetes-int-or-string"):
        made["anyOf"] = schema["anyOf"]
        return made
    if made.get("type") == "integer" and made.get("maximum", 2**31) >= 2**31:
        made["format"] = "int64"
    if "required" in made:
        made["required"] = sorted(map(to_camel, made["required"]))
    if "properties" in schema:
        made["properties"] = {
            to_camel(name): _convert(field, definitions)
            for name, field in schema["properties"].items()
        }
    if "items" in schema:
        made["items"] = _convert(schema["items"], definitions)
    _convert_map(schema, made, definitions)
    return made


def _convert_map(
    schema: JsonSchemaValue, made: dict[str, Any], definitions: Mapping[str, Any]
) -> None:
    values = schema.get("additionalProperties")
    if isinstance(values, dict) and values:
        made["additionalProperties"] = _convert(values, definitions)
    elif values is True or values == {}:
        made["x-kubernetes-preserve-unknown-fields"] = True


def _resolved(schema: JsonSchemaValue, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Without references and without the alternative `null`; what stands beside them wins."""
    schema = dict(schema)
    alternatives = schema.get("anyOf", [])
    real = [part for part in alternatives if part.get("type") != "null"]
    if len(real) < len(alternatives) and len(real) == 1:
        del schema["anyOf"]
        schema = {**real[0], **schema}
    if "$ref" in schema:
        name = schema.pop("$ref").rsplit("/", 1)[1]
        schema = {**_resolved(definitions[name], definitions), **schema}
    return schema
