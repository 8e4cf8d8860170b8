"""Writes alerts and dashboards into the chart, and the alerts' reference page."""

from __future__ import annotations

import json
from typing import Any

import yaml

from generate.markdown import page, table
from generate.monitoring.alerts import ALERTS
from generate.monitoring.dashboards import DASHBOARDS
from prepare.steps import ROOT

CHART = ROOT / "charts" / "csp"
RULES = CHART / "alerts" / "csp.yaml"
TARGET = ROOT / "docs" / "reference" / "alerts.md"
_NOTE = "# Made by `make generate` from tools/generate/monitoring. Changes belong there.\n"
_INTRODUCTION = """\
`metrics.prometheusRule` of the chart makes these alerts; `charts/csp/alerts/csp.yaml` has them as a
plain file of rules for a Prometheus that is set up by hand. Critical: people cannot work. Warning:
look at it during the day. Jobs are named csp-gateway, csp-model-proxy and csp-operator, as the
chart's ServiceMonitors name them."""


def main() -> None:
    RULES.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({"groups": [_group()]}, sort_keys=False, width=98)
    RULES.write_text(_NOTE + text)
    rows = [
        [f"`{a.name}`", a.severity, f"`{a.condition}` for {a.lasting}", a.summary, a.action]
        for a in ALERTS
    ]
    heads = ["Alert", "Severity", "When", "Meaning", "What to do"]
    parts = [_INTRODUCTION, table(heads, rows)]
    TARGET.write_text(page("Alerts", "tools/generate/monitoring/alerts.py", parts))
    folder = CHART / "dashboards"
    folder.mkdir(exist_ok=True)
    for dashboard in DASHBOARDS:
        (folder / f"{dashboard.name}.json").write_text(
            json.dumps(dashboard.json(), indent=1) + "\n"
        )


def _group() -> dict[str, Any]:
    return {
        "name": "csp",
        "rules": [
            {
                "alert": a.name,
                "expr": a.expression,
                "for": a.lasting,
                "labels": {"severity": a.severity},
                "annotations": {"summary": a.summary, "action": a.action},
            }
            for a in ALERTS
        ],
    }
