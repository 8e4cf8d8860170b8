"""Programs of Debian's packages that some tests need: found, or said to be missing, loudly."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

_FOLDERS = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
PACKAGES = {"squid": "squid", "prometheus": "prometheus", "promtool": "prometheus"}
"""Program to package."""


def find(name: str) -> Path | None:
    found = shutil.which(name, path=_FOLDERS)
    return Path(found) if found else None


def missing() -> str | None:
    """What a person must install; None when nothing."""
    packages = sorted({package for name, package in PACKAGES.items() if find(name) is None})
    if not packages:
        return None
    return (
        f"NO {' AND NO '.join(packages).upper()}: the chart's tests with them did not run. They "
        f"are Debian's packages {', '.join(packages)}; their services need not run."
    )


def require(name: str) -> Path:
    """The program. Without it the test is skipped, and in CI it fails."""
    found = find(name)
    if found is not None:
        return found
    text = missing() or ""
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)
