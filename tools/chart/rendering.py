"""Rendering the chart as Helm does, in the variants that matter."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from prepare import chart as programs
from prepare.steps import ROOT

CHART = ROOT / "charts" / "csp"
RELEASE, NAMESPACE = "csp", "csp"

Resource = Mapping[str, Any]


class RenderingFailed(Exception):
    """Helm refuses; the text is what it said."""


def render(*arguments: str) -> str:
    """What Helm would send to the API server. Raises RenderingFailed."""
    done = subprocess.run(
        [programs.helm(), "template", RELEASE, CHART, "--namespace", NAMESPACE,
         "--kube-version", "1.34.0", *arguments],
        capture_output=True,
        text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise RenderingFailed(done.stderr.strip())
    return done.stdout


def resources(text: str) -> list[Resource]:
    return [document for document in yaml.safe_load_all(text) if document]


@dataclass(frozen=True)
class Variant:
    """One way to install csp."""

    name: str
    arguments: Sequence[str]

    @cached_property
    def text(self) -> str:
        return render(*self.arguments)

    @cached_property
    def resources(self) -> list[Resource]:
        return resources(self.text)


def _everything() -> list[str]:
    """Each switch the other way than in the trial, where that says something new."""
    switches = {
        "publicUrl": "https://csp.example.org",
        "model.apiKey": "for-the-test",
        "egressProxy.replicas": "2",
        "gateway.autoscaling.enabled": "true",
        "modelProxy.autoscaling.enabled": "true",
        "ingress.enabled": "true",
        "ingress.tlsSecret": "csp-tls",
        "gatewayApi.enabled": "true",
        "gatewayApi.parentRefs[0].name": "public",
        "metrics.serviceMonitor": "true",
        "metrics.prometheusRule": "true",
        "metrics.dashboards": "true",
        "tenants.csp": "local",
        "tenants.team-a": "acme",
        "egressProxy.allowedDomains[0]": ".example.org",
    }
    return [part for key, value in switches.items() for part in ("--set-string" if value.isalpha()
            and value not in ("true", "false") else "--set", f"{key}={value}")]  # fmt: skip


VARIANTS = (
    Variant("trial", ()),
    Variant("upgrade", ("--is-upgrade",)),
    Variant("production", ("-f", str(CHART / "values-production.yaml"))),
    Variant("everything", tuple(_everything())),
)
