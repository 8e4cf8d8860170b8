"""What a worker asks of the kernel for itself, read back from the kernel. Linux."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys
from csp_worker.process import protect_self
protect_self()
value = ctypes.c_int(-1)
answer = ctypes.CDLL(None).prctl(int(sys.argv[1]), ctypes.byref(value), 0, 0, 0)
print(value.value if value.value >= 0 else answer)
"""
GET_PDEATHSIG, GET_DUMPABLE, GET_CHILD_SUBREAPER = 2, 3, 37


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
@pytest.mark.parametrize(
    ("question", "answer"),
    [
        pytest.param(GET_PDEATHSIG, int(signal.SIGTERM), id="ends-with-its-parent"),
        pytest.param(GET_CHILD_SUBREAPER, 1, id="adopts-orphans"),
        pytest.param(GET_DUMPABLE, 0, id="is-closed"),
    ],
)
def test_a_worker_that_protects_itself(question: int, answer: int) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(question)], capture_output=True, text=True, check=True
    )
    assert int(asked.stdout) == answer
