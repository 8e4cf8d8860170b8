"""The way of a frame to one reader: at once while it keeps up, else through its queue."""

from __future__ import annotations

import asyncio

from csp_controlplane.live.frames import Frame, closed_frame
from csp_controlplane.live.hub import Outlet


class Socket:
    """Takes what it is given while it is `open`."""

    def __init__(self, outlet: Outlet) -> None:
        self.open = True
        self.wrote: list[str] = []
        self.took: list[str] = []
        outlet.write_by(self.write_now)
        self._outlet = outlet

    def write_now(self, text: str) -> bool:
        if self.open:
            self.wrote.append(text)
        return self.open

    async def read(self) -> None:
        while (frame := await self._outlet.take()).kind != "closed":
            self.took.append(frame.text)


def frame(text: str) -> Frame:
    return Frame("events", text)


async def test_a_frame_is_written_at_once_only_when_nothing_is_before_it() -> None:
    outlet = Outlet(1000)
    socket = Socket(outlet)
    outlet.put(frame("before anybody waits"))
    assert socket.wrote == []
    reading = asyncio.create_task(socket.read())
    await asyncio.sleep(0)
    assert socket.took == ["before anybody waits"]

    outlet.put(frame("now"))
    assert socket.wrote == ["now"]
    socket.open = False
    outlet.put(frame("has to wait"))
    socket.open = True
    outlet.put(frame("behind it"))
    assert socket.wrote == ["now"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert socket.took[1:] == ["has to wait", "behind it"]
    outlet.put(frame("now again"))
    assert socket.wrote == ["now", "now again"]

    outlet.put(closed_frame(1012, "over"))
    async with asyncio.timeout(5):
        await reading


async def test_what_a_socket_cannot_take_is_bounded() -> None:
    outlet = Outlet(20)
    socket = Socket(outlet)
    socket.open = False
    reading = asyncio.create_task(socket.read())
    await asyncio.sleep(0)
    for _ in range(3):
        outlet.put(frame("x" * 9))
    assert outlet.dropped
    async with asyncio.timeout(5):
        await reading
    assert socket.took == []
