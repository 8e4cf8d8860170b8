"""The set-up runs a step again when what goes into it changed, and only then."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from prepare import node, stamps, steps


def test_contents_decide_and_times_do_not(tmp_path: Path) -> None:
    file, stamp = tmp_path / "input", tmp_path / "out" / "stamp"
    file.write_text("one")
    stamps.write(stamp, stamps.digest([file]))
    os.utime(file, (0, 0))
    assert stamps.is_current(stamp, stamps.digest([file]))
    file.write_text("two")
    assert not stamps.is_current(stamp, stamps.digest([file]))


def test_a_renamed_input_counts_as_changed(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("same")
    second.write_text("same")
    assert stamps.digest([first]) != stamps.digest([second])


def test_a_step_without_a_stamp_is_not_done(tmp_path: Path) -> None:
    assert not stamps.is_current(tmp_path / "never", stamps.digest([]))


@pytest.mark.parametrize(
    ("version", "suits"),
    [
        ("v18.20.4", False),
        ("v20.18.9", False),
        ("v20.19.0", True),
        ("v21.7.0", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.19.0", True),
        ("nonsense", False),
    ],
)
def test_only_a_node_that_the_build_supports_is_used(
    tmp_path: Path, version: str, suits: bool
) -> None:
    program = tmp_path / "node"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    assert node.suits(str(program)) is suits


def test_a_failing_step_shows_its_output_and_what_to_do() -> None:
    program = [sys.executable, "-c", "import sys; print('the cause'); sys.exit(3)"]
    with pytest.raises(steps.StepFailed) as failure:
        steps.run(program, hint="Try this instead.")
    assert "the cause" in str(failure.value)
    assert "Try this instead." in str(failure.value)
