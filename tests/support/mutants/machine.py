"""Protections of a whole local installation: one at a time, and nothing of it outlives it."""

from __future__ import annotations

from support.protections import CONTROLPLANE, protection

MACHINE = (
    protection(
        "one installation for a data directory",
        "tests/supervisor/test_lock.py::test_a_data_directory_is_taken_once",
        (f"{CONTROLPLANE}/supervisor/lock.py", "fcntl.flock(descriptor, fcntl.LOCK_EX | "
         "fcntl.LOCK_NB)", "pass"),
    ),
    protection(
        "a part ends with whoever started it",
        "tests/house/test_fixtures.py::test_servers_end_with_a_killed_test_run",
        (f"{CONTROLPLANE}/supervisor/launch.py", "ctypes.CDLL(None, use_errno=True).prctl("
         "_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)", "pass"),
    ),
)  # fmt: skip
