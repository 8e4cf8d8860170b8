"""Each alert fires when it should and keeps quiet when it should, as promtool evaluates it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from chart.rendering import CHART
from generate.monitoring.alerts import ALERTS
from prepare.steps import ROOT
from support.charts import find, rendered
from support.debian import require

_RULES = CHART / "alerts" / "csp.yaml"
# Everything as text: promtool's 0x20 is no hexadecimal number.
_CASES: dict[str, dict[str, dict[str, str]]] = yaml.load(
    (ROOT / "tests" / "chart" / "alerts.yaml").read_text(), yaml.BaseLoader
)
_NAMESPACE = "csp"


def test_every_alert_has_its_cases() -> None:
    assert set(_CASES) == {alert.name for alert in ALERTS}
    assert all(set(cases) == {"fires", "quiet"} for cases in _CASES.values())


def _firing(tmp_path: Path, alert: str, series: dict[str, str]) -> str | None:
    """What promtool found instead of silence; None when nothing fired."""
    samples = [{"series": _in_namespace(name), "values": v} for name, v in series.items()]
    last = max(_minutes(values) for values in series.values())
    case = {
        "rule_files": [str(_RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": samples,
                "alert_rule_test": [
                    {"eval_time": f"{last}m", "alertname": alert, "exp_alerts": []}
                ],
            }
        ],
    }
    file = tmp_path / "case.yaml"
    file.write_text(yaml.safe_dump(case))
    done = subprocess.run(
        [require("promtool"), "test", "rules", file], capture_output=True, text=True, timeout=60
    )
    if done.returncode == 0:
        return None
    said = done.stdout + done.stderr
    assert "alertname" in said, said
    return said


def _in_namespace(series: str) -> str:
    label = f'namespace="{_NAMESPACE}"'
    return series.replace("{", f"{{{label}, ") if "{" in series else f"{series}{{{label}}}"


def _minutes(values: str) -> int:
    return sum(int(part.rpartition("x")[2]) for part in values.split())


@pytest.mark.parametrize("alert", sorted(_CASES))
def test_it_fires(tmp_path: Path, alert: str) -> None:
    assert _firing(tmp_path, alert, _CASES[alert]["fires"]) is not None


@pytest.mark.parametrize("alert", sorted(_CASES))
def test_it_keeps_quiet(tmp_path: Path, alert: str) -> None:
    assert _firing(tmp_path, alert, _CASES[alert]["quiet"]) is None


def test_the_chart_hands_the_same_rules_to_the_prometheus_operator() -> None:
    rule = find(rendered("--set", "metrics.prometheusRule=true"), "PrometheusRule", "csp")
    assert rule["spec"] == yaml.safe_load(_RULES.read_text())


def test_each_alert_says_what_to_do_and_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "alerts.md").read_text()
    for alert in ALERTS:
        assert f"`{alert.name}`" in page
        assert alert.summary.endswith(".")
        assert alert.action.endswith(".")
