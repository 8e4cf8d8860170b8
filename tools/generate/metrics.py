"""docs/reference/metrics.md: every Prometheus metric, from the registries of the processes."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from csp_controlplane.gateway.metrics import GatewayMetrics
from csp_controlplane.proxy.metrics import ProxyMetrics
from csp_operator.metrics import OperatorMetrics
from csp_worker.metrics import Metrics as WorkerMetrics
from generate.markdown import page, table
from prepare.steps import ROOT

TARGET = ROOT / "docs" / "reference" / "metrics.md"
# Who has metrics: the process and what builds its registry.
PROCESSES: dict[str, Callable[[], CollectorRegistry]] = {
    "Gateway": lambda: GatewayMetrics(CollectorRegistry()).registry,
    "Model proxy": lambda: ProxyMetrics([]).registry,
    "Operator": lambda: OperatorMetrics().registry,
    "Worker": lambda: WorkerMetrics().registry,
}
_INTRODUCTION = """\
Each process serves its metrics at `/metrics` of a port of its own, which asks for no credentials:
keep it for Prometheus, as the chart does. It is closed until `CSP_GATEWAY_METRICS_PORT`,
`CSP_PROXY_METRICS_PORT` or `CSP_WORKER_METRICS_PORT` names it; the operator's is open. Series with
fixed labels exist from the start with the value 0."""
_FIXED_AT_MOST = 12


def main() -> None:
    parts = [_INTRODUCTION]
    for process, build in PROCESSES.items():
        registry = build()
        names = {
            name: tuple(getattr(collector, "_labelnames", ()))
            for collector, given in registry._collector_to_names.items()
            for name in given
        }
        metrics = sorted(registry.collect(), key=lambda metric: metric.name)
        rows = [_row(metric, names[metric.name]) for metric in metrics]
        parts.append(f"## {process}")
        parts.append(table(["Metric", "Type", "Labels", "Meaning"], rows))
    TARGET.write_text(page("Metrics", "the metrics classes", parts))


def _row(metric: Metric, labels: tuple[str, ...]) -> list[str]:
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    return [f"`{name}`", metric.type, _labels(metric, labels), metric.documentation]


def _labels(metric: Metric, labels: tuple[str, ...]) -> str:
    """Each label with its values where they are a small fixed set."""
    values: dict[str, set[str]] = {label: set() for label in labels}
    for sample in metric.samples:
        for label in labels:
            values[label].update([sample.labels[label]] if label in sample.labels else [])
    return "; ".join(
        f"{label}: {', '.join(sorted(known))}" if 0 < len(known) <= _FIXED_AT_MOST else label
        for label, known in values.items()
    )
