"""The csp command inside a gateway's pod: people and links without a local installation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def environment(tmp_path: Path, database_url: str) -> dict[str, str]:
    """As the chart sets it."""
    return {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "CSP_DATABASE_URL": database_url,
        "CSP_GATEWAY_PORT": "8400",
    }


def csp(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("csp")
    return subprocess.run(
        [program, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


def test_a_link_is_for_the_public_address(environment: dict[str, str]) -> None:
    said = csp({**environment, "CSP_PUBLIC_URL": "https://csp.example.org"}, "login")
    assert said.stdout.startswith("https://csp.example.org/login?token="), said.stderr


def test_without_one_it_is_for_a_forwarded_port(environment: dict[str, str]) -> None:
    said = csp(environment, "login")
    assert said.stdout.startswith("http://127.0.0.1:8400/login?token="), said.stderr


def test_people_are_added_with_a_link(environment: dict[str, str]) -> None:
    said = csp(environment, "users", "add", "anna@example.org")
    assert "Added anna@example.org" in said.stdout
    assert "http://127.0.0.1:8400/login?token=" in said.stdout
    assert "anna@example.org" in csp(environment, "users", "list").stdout


def test_elsewhere_a_link_still_needs_a_running_csp(environment: dict[str, str]) -> None:
    without = {name: value for name, value in environment.items() if name[:3] != "CSP"}
    said = csp(without, "login")
    assert said.returncode != 0
    assert "csp up" in said.stderr
