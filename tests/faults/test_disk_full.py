"""The disk of a running installation fills up: said in words, nothing acknowledged is lost, and it
goes on once there is room. A disk that is full at the start is tested with `csp up`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.play import say, script, watching
from support.roster import nothing_left
from support.stack import Stack
from support.viewer import text_message

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

SIZE_MB = 400


class SmallDisk:
    """A file system of its own at a directory."""

    def __init__(self, at: Path) -> None:
        self._at = at
        self._ballast = at / "ballast"

    def mount(self) -> None:
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0700", "tmpfs"]
        done = subprocess.run([*command, self._at], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"NO SMALL DISK: a file system cannot be mounted here ({done.stderr})")

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self._at], check=True)

    def fill(self) -> None:
        """Leaves nothing."""
        with self._ballast.open("wb") as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
                    file.flush()
            except OSError:
                return

    def free(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def small() -> Iterator[tuple[Stack, SmallDisk]]:
    stack = Stack(environment={"CSP_SUPERVISOR_MIN_FREE_BYTES": "0"})
    disk = SmallDisk(stack.layout.data)
    disk.mount()
    try:
        with stack:
            yield stack, disk
    finally:
        if os.path.ismount(stack.layout.data):
            disk.unmount()


async def test_a_disk_that_fills_up_is_told_and_survived(small: tuple[Stack, SmallDisk]) -> None:
    stack, disk = small
    async with nothing_left(stack), watching(stack) as viewer:
        await viewer.turn(script(say("before")))
        disk.fill()
        text = text_message("large " * 100_000)
        told = []
        for n in range(40):  # what fits into the last pages is taken
            client_id = await viewer.post(text, client_id=f"large-{n}")
            await viewer.answered(client_id)
            if client_id not in viewer.acks:
                told.append(client_id)
                break
        assert told, "a full disk takes no more"
        if viewer.closed is not None:
            assert viewer.closed[0] in (1013, 1006), viewer.closed
        disk.free()
        await viewer.connect(deadline=90)
        for client_id in (*viewer.acks, *told):
            if client_id.startswith("large"):
                await viewer.ack(await viewer.post(text, client_id=client_id))
        last = await viewer.say(script(say("after")))
        assert (await viewer.turn_end(last, deadline=120))["outcome"] == "completed"
        assert viewer.text().endswith("after")
