"""docs/reference/network.md: who may reach whom, from the table that `make lint` checks."""

from __future__ import annotations

from chart.reach import REACHES, TARGETS
from generate.markdown import page, table
from prepare.steps import ROOT

TARGET = ROOT / "docs" / "reference" / "network.md"
_INTRODUCTION = """\
What the chart's network policies allow; everything else is refused. `make lint` compares this table
with the policies that the chart renders. A worker looks no names up: model proxy and egress proxy
are in its hosts file, and the egress proxy lets it reach the names of `egressProxy.allowedDomains`
only.

Some network plugins ignore policies. `helm test` tries and says so; with
`networkPolicy.requireEnforcement` it fails there."""
_NOTES = """\
- `model-proxy` reaches the internet or the scripted model, never both.
- With databases of your own, PostgreSQL and Valkey stand for `networkPolicy.database`.
- The API server is known by `networkPolicy.apiServer` only. Narrow it: until then gateways and
  operator reach whatever answers on port 443 or 6443.
- Everybody reaches the gateways until `networkPolicy.gatewayFrom` says who does.
- The nodes' kubelets reach every pod, for its probes."""


def main() -> None:
    rows = []
    for source, reached in REACHES.items():
        places = [f"{name} ({TARGETS[name][1]})" for name in TARGETS if name in reached]
        rows.append([source, ", ".join(places) or "nothing"])
    parts = [_INTRODUCTION, table(["From", "To (port)"], rows), _NOTES]
    TARGET.write_text(page("Network", "tools/chart/reach.py", parts))
