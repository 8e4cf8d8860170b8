"""A ring of bytes in a file: where unacknowledged facts wait when memory is not meant to hold them.

First in, first out, and bounded: the file never grows beyond its capacity. A record never wraps
around the end, so that it is read with one call. The file belongs to one process and is not a
durable store: facts are durable when the database has them.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a record lies."""

    offset: int
    length: int


class SpillFile:
    """Records of bytes, freed in the order in which they were put."""

    def __init__(self, path: Path, capacity: int) -> None:
        self._path = path
        self._capacity = capacity
        self._file: int | None = None
        self._slots: deque[Slot] = deque()
        self._head = 0

    def put(self, record: bytes) -> Slot | None:
        """None when there is no room, or when the disk refuses."""
        offset = self._room(len(record))
        if offset is None:
            return None
        try:
            if self._file is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
                self._file = os.open(self._path, flags, 0o600)
            if os.pwrite(self._file, record, offset) != len(record):
                return None
        except OSError:
            return None
        slot = Slot(offset, len(record))
        self._head = offset + len(record)
        self._slots.append(slot)
        return slot

    def read(self, slot: Slot) -> bytes:
        """The bytes of a record that was not freed."""
        if self._file is None:
            raise ValueError("no record has been put into this file")
        return os.pread(self._file, slot.length, slot.offset)

    def free(self, slot: Slot) -> None:
        """Gives back the oldest record, which must be this one."""
        if self._slots[0] != slot:
            raise ValueError("records are freed in the order in which they were put")
        self._slots.popleft()
        if not self._slots and self._file is not None:
            self._head = 0
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Closes and removes the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._path.unlink(missing_ok=True)

    def _room(self, length: int) -> int | None:
        if not self._slots:
            return 0 if length <= self._capacity else None
        tail = self._slots[0].offset
        if self._head > tail:
            if self._head + length <= self._capacity:
                return self._head
            return 0 if length <= tail else None
        return self._head if self._head + length <= tail else None
