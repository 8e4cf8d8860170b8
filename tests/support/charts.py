"""Looking into a rendered chart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chart.rendering import render, resources


def rendered(*arguments: str) -> list[Any]:
    """The resources that Helm makes of the chart with these arguments."""
    return list(resources(render(*arguments)))


def find(made: Iterable[Any], kind: str, name: str) -> Any:
    """The only one of this kind and name."""
    (found,) = (r for r in made if r["kind"] == kind and r["metadata"]["name"] == name)
    return found


def kinds(made: Iterable[Any], kind: str) -> list[Any]:
    return [resource for resource in made if resource["kind"] == kind]


def environment(workload: Any) -> dict[str, str]:
    """The plain variables of a workload's first container."""
    (container, *_) = workload["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}


def variables(workload: Any) -> set[str]:
    """The names of all variables of a workload's first container."""
    (container, *_) = workload["spec"]["template"]["spec"]["containers"]
    return {one["name"] for one in container.get("env", [])}
