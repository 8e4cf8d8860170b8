"""The lock is complete, checked by hash, current, and says nothing about where packages are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from generate import lock
from prepare.environment import LOCK, UV_PIN
from prepare.steps import ROOT

PINS = [
    LOCK,
    UV_PIN,
    ROOT / "tools" / "node.txt",
    ROOT / "tools" / "hatchling.txt",
    ROOT / "tools" / "helm.txt",
    ROOT / "tools" / "chart-lint.txt",
    *lock.member_locks(),
]


@pytest.mark.parametrize(
    "file", [LOCK, *lock.member_locks()], ids=lambda file: str(file.relative_to(ROOT))
)
def test_the_lock_was_made_for_the_present_requirements(file: Path) -> None:
    assert lock.is_current(file), "pyproject.toml changed: run `make lock`"
    assert lock.is_part(file), "images would get what was never tested: run `make lock`"


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: str(pin.relative_to(ROOT)))
def test_every_package_is_pinned_with_hashes_and_no_address(pin: Path) -> None:
    text = pin.read_text()
    assert "://" not in text
    assert "file:" not in text
    entries = re.split(r"\n(?=\w)", re.sub(r"^#.*\n", "", text, flags=re.M).strip())
    for entry in entries:
        assert re.match(r"[\w.-]+==[\w.]+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_members_are_not_in_the_lock() -> None:
    assert not re.search(r"^csp-", LOCK.read_text(), re.M)


def test_npm_lock_names_no_address() -> None:
    assert '"resolved"' not in (ROOT / "frontend" / "package-lock.json").read_text()
