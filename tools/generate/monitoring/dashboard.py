"""Grafana dashboards from little more than their queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

_PANELS_ACROSS = 2
_WIDTH, _HEIGHT = 24 // _PANELS_ACROSS, 8
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: its queries by legend. `$ns` in a query stands for the chosen namespaces."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: Literal["timeseries", "stat"] = "timeseries"
    description: str = ""
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page of panels."""

    name: str
    title: str
    panels: tuple[Panel, ...]

    def queries(self) -> list[str]:
        """As Grafana sends them, before it puts its variables in."""
        return [_promql(query) for panel in self.panels for query in panel.queries.values()]

    def json(self) -> dict[str, Any]:
        """As Grafana stores it."""
        return {
            "uid": f"csp-{self.name}",
            "title": f"csp / {self.title}",
            "tags": ["csp"],
            "schemaVersion": 39,
            "editable": True,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "browser",
            "links": [_links()],
            "templating": {"list": _variables()},
            "panels": [_panel(place, panel) for place, panel in enumerate(self.panels)],
        }


def _promql(query: str) -> str:
    return query.replace("$ns", 'namespace=~"$namespace"')


def _panel(place: int, panel: Panel) -> dict[str, Any]:
    custom: dict[str, Any] = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}
    if panel.stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    return {
        "id": place + 1,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": {
            "x": place % _PANELS_ACROSS * _WIDTH,
            "y": place // _PANELS_ACROSS * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                **({"custom": custom} if panel.kind == "timeseries" else {}),
            },
            "overrides": [],
        },
        "options": _options(panel),
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": _SOURCE, "expr": _promql(query),
             "legendFormat": legend}
            for n, (legend, query) in enumerate(panel.queries.items())
        ],
    }  # fmt: skip


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none"}
    return {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _variables() -> list[dict[str, Any]]:
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {
            "name": "namespace",
            "label": "Namespace",
            "type": "query",
            "datasource": _SOURCE,
            "query": "label_values(csp_active_sessions, namespace)",
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        },
    ]


def _links() -> dict[str, Any]:
    return {
        "type": "dashboards", "tags": ["csp"], "title": "csp", "asDropdown": True,
        "includeVars": True, "keepTime": True,
    }  # fmt: skip
