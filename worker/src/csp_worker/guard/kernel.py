"""The few Linux calls that Python has no name for: prctl, and one injected into a traced child.

A process cannot make another one non-dumpable, and execve makes every process dumpable again. The
only moment that works is the stop after execve: the guard, which traces its child up to there,
makes the child itself call prctl before its first instruction and lets it go. Elsewhere than on
Linux on x86_64 and aarch64 these calls do nothing and say so by returning False.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36

_TRACEME, _SINGLESTEP, _DETACH, _GETREGSET, _SETREGSET = 0, 9, 17, 0x4204, 0x4205
_NT_PRSTATUS = 1
_SEARCH_BYTES = 4 * 1024**2

# Per machine: size of the register set, then the indexes of the 64-bit words for the number of
# the call, its first two arguments, its result and the program counter; the instruction that
# enters the kernel and its length; the number of prctl.
_X86_64 = (27, (10, 14, 13), 10, 16, b"\x0f\x05", 157)
_AARCH64 = (34, (8, 0, 1), 0, 32, b"\x01\x00\x00\xd4", 167)


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _libc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long
    return libc


def prctl(option: int, value: int) -> bool:
    """Whether the kernel took it."""
    libc = _libc()
    return libc is not None and libc.prctl(option, value, 0, 0, 0) == 0


def trace_me() -> bool:
    """Asks to be stopped after the next execve; the parent then traces this process."""
    libc = _libc()
    if libc is None or _machine() is None:
        return False
    return bool(libc.ptrace(_TRACEME, 0, None, None) == 0)


def make_non_dumpable(pid: int) -> bool:
    """Lets a child that stands in its stop after execve call prctl, then releases it.

    Whatever fails, the child is released with the registers that it had.
    """
    libc, machine = _libc(), _machine()
    if libc is None or machine is None:
        return False
    try:
        return _inject(libc, machine, pid)
    finally:
        libc.ptrace(_DETACH, pid, None, None)


def _machine() -> tuple[int, tuple[int, int, int], int, int, bytes, int] | None:
    return {"x86_64": _X86_64, "aarch64": _AARCH64}.get(platform.machine())


def _inject(
    libc: ctypes.CDLL, machine: tuple[int, tuple[int, int, int], int, int, bytes, int], pid: int
) -> bool:
    words, (number, first, second), result, counter, enter, prctl_number = machine
    before = _get_registers(libc, pid, words)
    place = _find_code(pid, enter)
    if before is None or place is None:
        return False
    call = list(before)
    call[number], call[first], call[second] = prctl_number, PR_SET_DUMPABLE, 0
    call[counter] = place
    done = False
    if _set_registers(libc, pid, call) and libc.ptrace(_SINGLESTEP, pid, None, None) == 0:
        os.waitpid(pid, 0)
        after = _get_registers(libc, pid, words)
        done = after is not None and after[result] == 0
    _set_registers(libc, pid, before)
    return done


def _find_code(pid: int, wanted: bytes) -> int | None:
    """Address of an instruction that the child already has.

    Its memory is never written: once it is non-dumpable nobody could write the old code back.
    """
    with contextlib.suppress(OSError), Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            if "x" not in rights:
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            with contextlib.suppress(OSError, OverflowError):
                memory.seek(start)
                at = memory.read(min(end - start, _SEARCH_BYTES)).find(wanted)
                if at >= 0:
                    return start + at
    return None


def _get_registers(libc: ctypes.CDLL, pid: int, words: int) -> list[int] | None:
    buffer = ctypes.create_string_buffer(words * 8)
    vector = _IoVec(ctypes.addressof(buffer), words * 8)
    if libc.ptrace(_GETREGSET, pid, _NT_PRSTATUS, ctypes.addressof(vector)) != 0:
        return None
    return list(struct.unpack(f"{words}Q", buffer.raw))


def _set_registers(libc: ctypes.CDLL, pid: int, registers: list[int]) -> bool:
    buffer = ctypes.create_string_buffer(struct.pack(f"{len(registers)}Q", *registers))
    vector = _IoVec(ctypes.addressof(buffer), len(registers) * 8)
    return bool(libc.ptrace(_SETREGSET, pid, _NT_PRSTATUS, ctypes.addressof(vector)) == 0)
