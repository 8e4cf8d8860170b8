"""The chart's generated half: values.yaml, its schema and its reference page from one model, and
the resource definitions from crds/, the operator's rights from what it uses."""

from __future__ import annotations

import copy
import inspect
import json
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from csp_crds.manifests import DEFINITIONS
from csp_crds.names import POOL_KIND
from csp_operator.api.resources import USES, USES_AT_HOME, rules
from generate.markdown import page, table
from generate.values.base import Values
from generate.values.root import ChartValues
from prepare.steps import ROOT

CHART = ROOT / "charts" / "csp"
TARGET = ROOT / "docs" / "reference" / "values.md"
_NOTE = "Made by `make generate` from tools/generate/values. Changes belong there."
_RULES_NOTE = "Made by `make generate` from csp_operator.api.resources. Changes belong there."
_INTRODUCTION = """\
Everything that `helm install -f` and `--set` can change. A misspelt name or a value out of its
range is refused before anything is changed. `charts/csp/values-production.yaml` shows what a
production installation sets."""
_WIDTH = 98


def main() -> None:
    CHART.mkdir(parents=True, exist_ok=True)
    (CHART / "values.yaml").write_text(values_yaml())
    (CHART / "values.schema.json").write_text(json.dumps(schema(), indent=2) + "\n")
    rows = _rows(ChartValues())
    parts = [_INTRODUCTION, table(["Value", "Kind", "Default", "Meaning"], rows)]
    TARGET.write_text(page("Values of the chart", "tools/generate/values", parts))
    for name, uses in (("operator-rules", USES), ("operator-home-rules", USES_AT_HOME)):
        text = yaml.safe_dump(rules(uses), sort_keys=False)
        (CHART / "files" / f"{name}.yaml").write_text(f"# {_RULES_NOTE}\n{text}")
    folder = CHART / "crds"
    folder.mkdir(exist_ok=True)
    for source in sorted((ROOT / "crds").glob("*.yaml")):
        shutil.copyfile(source, folder / source.name)


# ---- values.yaml --------------------------------------------------------------------------------


def values_yaml() -> str:
    """The defaults, each under what it means."""
    lines = [f"# {_NOTE}", *_section(ChartValues(), 0)]
    return "\n".join(lines) + "\n"


def _section(values: Values, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for key, field, value in _fields(values):
        if depth == 0:
            yield ""
        # What images, resources and the like are made of is said in the reference.
        if depth < 2:
            yield from _comment(_meaning(field, value), indent)
        if isinstance(value, Values):
            yield f"{indent}{key}:"
            yield from _section(value, depth + 1)
        else:
            text = yaml.safe_dump({key: value}, sort_keys=False, width=_WIDTH)
            yield from textwrap.indent(text, indent).splitlines()


def _fields(values: Values) -> list[tuple[str, FieldInfo, Any]]:
    """Name, field and value; those that a class shares with others come last."""
    fields = type(values).model_fields
    own = [name for name in fields if name in type(values).__annotations__]
    shared = [name for name in fields if name not in own]
    return [
        (fields[name].alias or name, fields[name], getattr(values, name)) for name in own + shared
    ]


def _meaning(field: FieldInfo, value: object) -> str:
    """A section of the first level says more in its class than in the line that names it."""
    sections = [found.annotation for found in ChartValues.model_fields.values()]
    if isinstance(value, Values) and type(value) in sections:
        return " ".join((inspect.getdoc(value) or "").split())
    return field.description or ""


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}" for line in textwrap.wrap(text, _WIDTH - len(indent) - 2)]


# ---- values.schema.json -------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """JSON Schema of the values; a pool is checked as the API server will check it."""
    made = ChartValues.model_json_schema(by_alias=True)
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$comment": _NOTE, **made}
    made["properties"]["pools"]["additionalProperties"] = _pool_spec()
    made["properties"]["pools"]["propertyNames"] = {"pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
    made["title"] = "Values of the csp chart"
    return made


def _pool_spec() -> dict[str, Any]:
    made = (make() for make in DEFINITIONS)
    (pool,) = (found for found in made if found["spec"]["names"]["kind"] == POOL_KIND)
    whole = pool["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec = _plain(copy.deepcopy(whole))
    # The chart fills in what nobody names.
    spec.pop("required", None)
    spec["properties"]["template"]["required"] = []
    return spec


def _plain(node: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema without Kubernetes' own words, and strict where the API server only prunes."""
    for word in [word for word in node if word.startswith("x-kubernetes-")]:
        free = word == "x-kubernetes-preserve-unknown-fields"
        node.pop(word)
        if free:
            node["additionalProperties"] = True
    if node.pop("nullable", False) and "type" in node:
        node["type"] = [node["type"], "null"]
    for child in node.get("properties", {}).values():
        _plain(child)
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            _plain(node[key])
    if "properties" in node:
        node.setdefault("additionalProperties", False)
    return node


# ---- the reference ------------------------------------------------------------------------------


def _rows(values: Values, prefix: str = "") -> Iterator[list[str]]:
    described = type(values).model_json_schema(by_alias=True)["properties"]
    for name, field, value in _fields(values):
        key = f"{prefix}{name}"
        if isinstance(value, Values):
            if not prefix:
                yield [f"`{key}`", "", "", _meaning(field, value)]
            yield from _rows(value, f"{key}.")
        else:
            yield [f"`{key}`", _kind(described[name]), _default(value), field.description or ""]


def _kind(described: Mapping[str, Any]) -> str:
    if "enum" in described:
        return ", ".join(f"`{value}`" for value in described["enum"])
    names = {"array": "list", "string": "text", "boolean": "true or false"}
    bounds = [
        f"{word} {described[key]}"
        for key, word in (("minimum", "from"), ("maximum", "to"))
        if key in described
    ]
    return " ".join([names.get(described["type"], described["type"]), *bounds])


def _default(value: object) -> str:
    if value in ("", {}, []):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"
