"""crds/*.yaml and docs/reference/resources.md, both from the models of csp_crds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from csp_crds.manifests import DEFINITIONS
from generate.markdown import page, table
from prepare.steps import ROOT

FOLDER = ROOT / "crds"
TARGET = ROOT / "docs" / "reference" / "resources.md"
_NOTE = "# Made by `make generate` from csp_crds. Changes belong there.\n"
_INTRODUCTION = """\
What `kubectl explain` says of AgentSession (`as`) and AgentPool (`ap`), in one page. Both belong to
`sessionplane.io/v1alpha1`, live in a namespace and are in the category `csp`, so that
`kubectl get csp` shows everything."""


def main() -> None:
    parts = [_INTRODUCTION]
    for make in DEFINITIONS:
        definition = make()
        name = definition["metadata"]["name"]
        text = yaml.dump(definition, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
        (FOLDER / f"{name}.yaml").write_text(_NOTE + text)
        schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        parts.append(f"## {definition['spec']['names']['kind']}\n\n{schema['description']}")
        for part in ("spec", "status"):
            rows = list(_rows(part, schema["properties"][part]))
            parts.append(f"### {part}")
            parts.append(table(["Field", "Value", "Default", "Meaning"], rows))
    TARGET.write_text(page("Resources", "the models of csp_crds", parts))


class _Dumper(yaml.SafeDumper):
    """Writes every value out where it stands: no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _rows(path: str, schema: Mapping[str, Any]) -> Iterator[list[str]]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        place = f"{path}.{name}"
        default = "must be set" if name in required and path.startswith("spec") else _default(field)
        yield [f"`{place}`", _value(field), default, _meaning(field)]
        inner, suffix = _inner(field)
        yield from _rows(place + suffix, inner)


def _inner(field: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    if "items" in field:
        return field["items"], "[]"
    if isinstance(field.get("additionalProperties"), dict):
        return field["additionalProperties"], ".*"
    return field, ""


def _value(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("x-kubernetes-int-or-string"):
        return "number or text"
    bounds = [
        f"{sign} {field[key]}"
        for key, sign in (("minimum", "from"), ("maximum", "to"))
        if key in field
    ]
    kind = {"array": "list", "string": "text"}.get(field["type"], field["type"])
    return " ".join([kind, *bounds])


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    return "" if value in (None, {}, []) else f"`{str(value).lower() if value is True else value}`"


def _meaning(field: Mapping[str, Any]) -> str:
    rules = [f"{rule['message']}." for rule in field.get("x-kubernetes-validations", [])]
    return " ".join([field.get("description", ""), *(f"Rule: {rule}" for rule in rules)]).strip()
