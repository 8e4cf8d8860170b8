"""The most memory that a process had at once, as the kernel counts it. Linux."""

from __future__ import annotations

from pathlib import Path


class Memory:
    """Of one process that is not closed to its user."""

    def __init__(self, pid: int) -> None:
        self._directory = Path(f"/proc/{pid}")
        # 5: the peak begins again where the process is now.
        (self._directory / "clear_refs").write_text("5")
        self.before = self._read("VmRSS")

    def growth(self) -> int:
        """Bytes that the peak since the beginning lies above what there was then."""
        return self._read("VmHWM") - self.before

    def _read(self, name: str) -> int:
        for line in (self._directory / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise LookupError(f"the kernel does not tell {name}")
