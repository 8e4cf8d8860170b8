"""What becomes of a node whose maker was killed. That a run which ends by itself leaves nothing is
looked at after each run, by `python -m e2e test`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from e2e.node.binaries import ROOT
from e2e.node.box import Addresses, remove_leftovers
from e2e.node.cgroups import PREFIX
from e2e.node.traces import traces
from support.processes import ServerProcess
from support.waiting import wait_until_sync

_MAKER = """
import signal
from e2e.node.binaries import ROOT
from e2e.node.box import Box
box = Box()
box.open()
box.inside(["sleep", "600"], name="sleeper")
print("made", box.directory, box.addresses.number, flush=True)
signal.pause()
"""


@pytest.mark.skipif(os.environ.get("CSP_E2E_PROVIDER") == "kind", reason="kind makes no boxes")
def test_what_a_killed_run_leaves_is_removed_by_the_next_one(tmp_path: Path) -> None:
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    log = tmp_path / "maker.log"
    maker = ServerProcess([sys.executable, "-c", _MAKER], log=log, environment=path)
    with maker:

        def made() -> list[str] | None:
            assert maker.running, maker.tail()
            said = [line.split() for line in log.read_text().splitlines()]
            return next((words for words in said if words[:1] == ["made"]), None)

        found = wait_until_sync(made, 60, "a box")
        assert found is not None
        _, directory, number = found
        names = (directory, Addresses(int(number)).link, f"{PREFIX}{number}")

        def of_the_box() -> set[str]:
            return {trace for trace in traces() if any(name in trace for name in names)}

        def kinds() -> set[str]:
            return {trace.partition(" ")[0] for trace in of_the_box()}

        assert kinds() == {"process", "link", "control", "directory"}
        assert any("(sleep)" in trace for trace in of_the_box())
        maker.kill()
    wait_until_sync(lambda: not kinds() & {"process", "link"}, 60, "the kernel's part of the end")
    remove_leftovers()
    assert of_the_box() == set()
