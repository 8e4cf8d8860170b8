"""Runs a program so that it cannot outlive whoever started it. A script that imports none of ours.

The parent starts `python -I -S launch.py PARENT SIGNAL UID GID PROGRAM ARGUMENTS...`; after the
preparations this process becomes the program. A shim instead of a hook between fork and exec,
because Python code there can deadlock in a process that has threads. Only the standard library:
every process of a local installation passes through here.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """UID and GID are numbers or `-`; SIGNAL is what the program gets when PARENT dies."""
    parent, death_signal, uid, gid, program = arguments[:5]
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        # After the change of user, which resets it.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(parent):
        return  # the parent died before the request could take effect
    os.execv(program, arguments[4:])  # noqa: S606 - it becomes the program


if __name__ == "__main__":
    main(sys.argv[1:])
