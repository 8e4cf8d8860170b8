"""One installation for a data directory, for as long as anything of it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from csp_controlplane.supervisor.errors import CommandError, ExitCode
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.lock import acquire, is_held


def test_a_data_directory_is_taken_once(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    held = acquire(layout)
    try:
        assert is_held(layout)
        with pytest.raises(CommandError, match="CSP_DATA_DIR") as refused:
            acquire(layout)
        assert refused.value.code == ExitCode.ALREADY_RUNNING
    finally:
        os.close(held)
    assert not is_held(layout)
    os.close(acquire(layout))
