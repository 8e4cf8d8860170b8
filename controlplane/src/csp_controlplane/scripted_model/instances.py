"""A smallest value that satisfies a JSON Schema.

The libraries for this draw random values for property tests or are no longer kept; a scripted
answer wants the same plain value every time. Covered: types, const, enum, default, references
within the schema, allOf, anyOf, oneOf, required properties, bounds, lengths, common formats.
`pattern`, `not` and conditionals are not solved: the value is then only of the right type.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_FORMATS = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}
_MAX_DEPTH = 24
_MAX_ITEMS = 100
_MAX_VALUES = 2_000

Schema = Mapping[str, Any]


class _Root:
    """The whole schema, and how many more values may be made: a hostile schema could ask for a
    tree without end."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.left = _MAX_VALUES


def instance(schema: Any) -> Any:
    """A value for the schema, the same for the same schema."""
    return _value(schema, _Root(schema), "value", _MAX_DEPTH)


def _value(schema: Any, root: _Root, name: str, depth: int) -> Any:
    root.left -= 1
    if not isinstance(schema, Mapping) or depth == 0 or root.left < 0:
        return None
    schema = _resolve(schema, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    for key in ("oneOf", "anyOf"):
        choices = schema.get(key)
        if isinstance(choices, list) and choices:
            rest = {k: v for k, v in schema.items() if k != key}
            chosen = min(choices, key=lambda c: isinstance(c, Mapping) and c.get("type") == "null")
            return _value(_merged(rest, _resolve(chosen, root)), root, name, depth - 1)
    return _of_type(schema, root, name, depth)


def _of_type(schema: Schema, root: _Root, name: str, depth: int) -> Any:
    match _type(schema):
        case "object":
            return _object(schema, root, depth)
        case "array":
            return _array(schema, root, name, depth)
        case "string":
            return _string(schema, name)
        case "integer" | "number" as kind:
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return True
        case _:
            return None


def _type(schema: Schema) -> str | None:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((item for item in kind if item != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _object(schema: Schema, root: _Root, depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    required = schema.get("required")
    # Optional properties are shown too: an example is there to be looked at.
    names = list(dict.fromkeys([*properties, *(required if isinstance(required, list) else [])]))
    shallow = depth > _MAX_DEPTH - 4
    wanted = names if shallow else [n for n in names if n in (required or [])]
    return {str(n): _value(properties.get(n, {}), root, str(n), depth - 1) for n in wanted}


def _array(schema: Schema, root: _Root, name: str, depth: int) -> list[Any]:
    prefix = schema.get("prefixItems")
    items = [_value(s, root, name, depth - 1) for s in prefix] if isinstance(prefix, list) else []
    fewest = min(_whole(schema.get("minItems"), 1), _MAX_ITEMS)
    most = _whole(schema.get("maxItems"), _MAX_ITEMS)
    while len(items) < min(max(fewest, 1), most) and schema.get("items") is not False:
        item = _value(schema.get("items", {}), root, name, depth - 1)
        items.append(_distinct(item, len(items)) if schema.get("uniqueItems") else item)
    return items[:most]


def _distinct(item: Any, index: int) -> Any:
    if isinstance(item, str) and index:
        return f"{item} {index + 1}"
    if isinstance(item, int) and not isinstance(item, bool):
        return item + index
    return item


def _string(schema: Schema, name: str) -> str:
    text = _FORMATS.get(str(schema.get("format")), f"example {name}".replace("_", " "))
    fewest = min(_whole(schema.get("minLength"), 0), 10_000)
    text = text + "." * max(0, fewest - len(text))
    return text[: _whole(schema.get("maxLength"), len(text))]


def _number(schema: Schema, *, whole: bool) -> float | int:
    step = schema.get("multipleOf")
    step = step if isinstance(step, int | float) and step > 0 else (1 if whole else 0.5)
    low, high = -math.inf, math.inf
    for key, shift in (("minimum", 0), ("exclusiveMinimum", step)):
        if isinstance(schema.get(key), int | float) and not isinstance(schema.get(key), bool):
            low = max(low, schema[key] + shift)
    for key, shift in (("maximum", 0), ("exclusiveMaximum", step)):
        if isinstance(schema.get(key), int | float) and not isinstance(schema.get(key), bool):
            high = min(high, schema[key] - shift)
    wanted = min(max(1, low), high)
    value = math.ceil(wanted / step) * step
    value = value if value <= high else math.floor(high / step) * step
    return int(value) if whole else value


def _resolve(schema: Any, root: _Root, depth: int = _MAX_DEPTH) -> Schema:
    """Follows references and merges allOf."""
    for _ in range(_MAX_DEPTH):
        root.left -= 1
        if not isinstance(schema, Mapping) or depth == 0 or root.left < 0:
            return {}
        if isinstance(schema.get("$ref"), str):
            rest = {k: v for k, v in schema.items() if k != "$ref"}
            schema = _merged(rest, _lookup(schema["$ref"], root))
        elif isinstance(schema.get("allOf"), list):
            merged: Schema = {k: v for k, v in schema.items() if k != "allOf"}
            for part in schema["allOf"]:
                merged = _merged(merged, _resolve(part, root, depth - 1))
            return merged
        else:
            return schema
    return {}


def _lookup(reference: str, root: _Root) -> Schema:
    found = root.schema
    for part in reference.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _merged(one: Schema, other: Schema) -> Schema:
    both: dict[str, Any] = {**one, **other}
    for key in ("properties", "required"):
        a, b = one.get(key), other.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            both[key] = {**a, **b}
        elif isinstance(a, list) and isinstance(b, list):
            both[key] = [*a, *b]
    return both


def _whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
