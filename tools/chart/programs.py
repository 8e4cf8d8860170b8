"""The checks that others have written: helm lint, kubernetes-validate, checkov, promtool."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import jsonschema
import yaml

from chart.rendering import CHART, VARIANTS
from prepare import chart as programs
from prepare.steps import ROOT

KUBERNETES = "1.34"
_CHECKOV = ROOT / "tools" / "chart" / "checkov.yaml"
# The schemas of Kubernetes itself do not have them.
_FOREIGN = ("sessionplane.io/", "monitoring.coreos.com/", "gateway.networking.k8s.io/")


def helm_lint() -> Iterator[str]:
    for variant in VARIANTS:
        arguments = [part for part in variant.arguments if part != "--is-upgrade"]
        yield from _said(
            [str(programs.helm()), "lint", "--strict", "--quiet", "--kube-version", "1.34.0",
             str(CHART), *arguments],
        )  # fmt: skip


def values_fit_the_schema() -> Iterator[str]:
    """Also without Helm, whose own check stops at the first mistake."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for file in ("values.yaml", "values-production.yaml"):
        values = yaml.safe_load((CHART / file).read_text())
        for error in jsonschema.Draft202012Validator(schema).iter_errors(values):
            yield f"{file}: {'.'.join(map(str, error.absolute_path))}: {error.message}"


def kubernetes_validate() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield from _said(
            [sys.executable, "-m", "kubernetes_validate", "--strict", "--quiet",
             "-k", KUBERNETES, str(_of_kubernetes(folder))],
        )  # fmt: skip


def checkov() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        _of_kubernetes(folder)
        yield from _said(
            [sys.executable, "-m", "checkov.main", "--config-file", str(_CHECKOV),
             "--directory", folder],
        )  # fmt: skip


def promtool() -> Iterator[str]:
    """Only where it is installed: the tests in tests/chart insist on it."""
    found = shutil.which("promtool")
    if found:
        yield from _said([found, "check", "rules", str(CHART / "alerts" / "csp.yaml")])


def _of_kubernetes(folder: str) -> Path:
    """A file with every resource of every variant, each different one once."""
    different = {
        json.dumps(resource, sort_keys=True): resource
        for variant in VARIANTS
        for resource in variant.resources
        if not resource["apiVersion"].startswith(_FOREIGN)
    }
    file = Path(folder) / "resources.yaml"
    file.write_text(yaml.safe_dump_all(list(different.values())))
    return file


def _said(command: Sequence[str]) -> Iterator[str]:
    """What a program printed when it failed."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(programs.checkers()),
        "PYTHONWARNINGS": "ignore",
        "LOG_LEVEL": "ERROR",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        yield f"{Path(command[0]).name} {' '.join(command[1:4])}:\n{done.stdout}{done.stderr}"
