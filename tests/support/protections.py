"""Protections, switched off one by one in a copy of the sources, and the tests that must notice.

A protection that no test misses is a protection that the next change removes. Each entry names the
text that protects, what stands there instead, and a test that then fails. What is left running by
a copy that does not clean up is found by the copy's directory and ended.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from support.processes import processes_of

ROOT = Path(__file__).parents[2]
PACKAGES = ("controlplane", "worker")
CONTROLPLANE = "controlplane/src/csp_controlplane"
WORKER = "worker/src/csp_worker"
SCHEMA = f"{CONTROLPLANE}/store/migrations/versions/0001_initial.sql"


@dataclass(frozen=True)
class Change:
    """`old` in a file becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Protection:
    """What is protected, how it is switched off, and who notices: the id of one test."""

    name: str
    test: str
    changes: tuple[Change, ...]


def protection(name: str, test: str, *changes: tuple[str, str, str]) -> Protection:
    return Protection(name, test, tuple(Change(*change) for change in changes))


def survivors(protections: Sequence[Protection], directory: Path) -> dict[str, str]:
    """Protections whose test did not fail without them, with what it did instead."""
    copy_sources([change for each in protections for change in each.changes], directory)
    report = directory / "report.xml"
    # Short, because unix sockets lie in it, and open to the user that the database runs as.
    temporary = Path(tempfile.mkdtemp(prefix="csp-m-"))
    temporary.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment["PYTHONPATH"] = python_path(directory)
    environment["TMPDIR"] = str(temporary)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--tb=native", "-p", "no:cacheprovider",
             f"--junitxml={report}",
             *(each.test for each in protections)],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280,
        )  # fmt: skip
    finally:
        for process in (*processes_of(temporary), *processes_of(directory)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(temporary, ignore_errors=True)
    if not report.exists():
        raise RuntimeError(f"the tests did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    outcomes = _outcomes(report)
    return {
        each.name: outcome for each in protections if (outcome := _of(each, outcomes)) != "failed"
    }


def python_path(directory: Path) -> str:
    """PYTHONPATH under which the copy there is what programs import."""
    return os.pathsep.join(str(directory / package / "src") for package in PACKAGES)


def _of(each: Protection, outcomes: dict[str, set[str]]) -> str:
    """Its own test's outcome; of a parametrised test one failure is enough, if none is named."""
    found = set[str]().union(
        *(kinds for test, kinds in outcomes.items() if each.test in (test, test.partition("[")[0]))
    )
    return next((kind for kind in ("failed", "errored", "passed") if kind in found), "did not run")


def copy_sources(changes: Sequence[Change], directory: Path) -> None:
    """Our packages with these changes, below a directory. Raises LookupError."""
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "static")
        shutil.copytree(ROOT / package / "src", directory / package / "src", ignore=ignored)
    for change in changes:
        path = directory / change.file
        text = path.read_text()
        if change.old not in text:
            raise LookupError(f"{change.file} has no {change.old!r} any more: name what protects")
        path.write_text(text.replace(change.old, change.new))


def _outcomes(report: Path) -> dict[str, set[str]]:
    """What happened to each test, by its whole id."""
    found: dict[str, set[str]] = {}
    for case in ET.parse(report).iter("testcase"):
        file = str(case.get("classname")).replace(".", "/")
        kinds = {child.tag for child in case}
        outcome = "failed" if "failure" in kinds else "errored" if "error" in kinds else "passed"
        found.setdefault(f"{file}.py::{case.get('name')}", set()).add(outcome)
    return found
