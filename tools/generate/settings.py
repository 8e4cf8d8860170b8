"""docs/reference/settings.md: every CSP_* variable, from the settings classes themselves."""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from generate.markdown import page, table
from prepare.environment import members
from prepare.steps import ROOT

# In the order of the page. A test holds this list against the settings.py files of the tree.
MODULES = [
    "csp_controlplane.settings",
    "csp_controlplane.supervisor.settings",
    "csp_controlplane.gateway.settings",
    "csp_controlplane.attach.settings",
    "csp_controlplane.runtime.kubernetes.settings",
    "csp_controlplane.proxy.settings",
    "csp_worker.settings",
    "csp_operator.settings",
    "csp_controlplane.scripted_model.settings",
]
TARGET = ROOT / "docs" / "reference" / "settings.md"
_INTRODUCTION = """\
Everything is set by environment variables. In the local mode they can also stand in the file
`csp.env` of the data directory, one `NAME=value` a line, which every `csp` command reads; the
environment wins. `csp up` sets those that connect its parts (addresses, sockets, key files) and
passes the others on, so a variable that is set for `csp up` holds for the part that reads it. A
value that is out of its range stops the part at its start with a sentence that names the
variable."""
_NAMES = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path"}


def modules_in_tree() -> set[str]:
    """Every settings.py of the members, as an import path."""
    return {
        ".".join(file.relative_to(member / "src").with_suffix("").parts)
        for member in members()
        for file in (member / "src").rglob("settings.py")
    }


def classes() -> Iterator[type[BaseSettings]]:
    for name in MODULES:
        module = importlib.import_module(name)
        for found in vars(module).values():
            defined_here = inspect.isclass(found) and found.__module__ == name
            if defined_here and issubclass(found, BaseSettings):
                yield found


def main() -> None:
    parts = [_INTRODUCTION]
    for settings in classes():
        parts.append(f"## {_title(settings)}\n\n{inspect.getdoc(settings)}")
        rows = [_row(settings, name, field) for name, field in settings.model_fields.items()]
        parts.append(table(["Variable", "Value", "Default", "Meaning"], rows))
    TARGET.write_text(page("Settings", "the settings classes", parts))


def _title(settings: type[BaseSettings]) -> str:
    words = settings.__name__.removesuffix("Settings")
    return words[0] + "".join(f" {c.lower()}" if c.isupper() else c for c in words[1:])


def _row(settings: type[BaseSettings], name: str, field: FieldInfo) -> list[str]:
    variables = " or ".join(f"`{variable}`" for variable in _variables(settings, name, field))
    return [variables, _type(field.annotation), _default(field), field.description or ""]


def _variables(settings: type[BaseSettings], name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        # The choice in lower case is the name for constructing the class in code.
        return [choice for choice in alias.choices if isinstance(choice, str) and choice.isupper()]
    if isinstance(alias, str):
        return [alias]
    return [f"{settings.model_config['env_prefix']}{name}".upper()]


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(part) for part in arguments if part is not type(None))
    if origin in (list, tuple, frozenset, set, dict):
        return "JSON object" if origin is dict else "list"
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    if inspect.isclass(annotation) and issubclass(annotation, SecretStr):
        return "text, never logged"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "JSON object"
    return _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    if field.default_factory in (list, dict):
        return "empty"
    if field.default_factory is not None or field.default is PydanticUndefined:
        return "computed"
    value = field.default.value if isinstance(field.default, Enum) else field.default
    if value is None or value in ("", ()):
        return "empty"
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
