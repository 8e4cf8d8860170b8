"""A client's view of one session: what it lacks, then what happens, in one ordered stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Self

from csp_controlplane.live.frames import (
    AHEAD,
    Frame,
    caught_up_frame,
    closed_frame,
    events_frame,
    previews_frame,
    replay_frame,
)
from csp_controlplane.live.hub import PAGE, Hub, Outlet
from csp_controlplane.store.database import Database
from csp_controlplane.store.log import read_log, read_log_text


class Subscription:
    """An async iterator of frames. Close it, or use it as a context manager.

    `as_text`: the reader passes frames on as they are, so what it lacks is not taken apart for it.
    """

    def __init__(
        self,
        db: Database,
        hub: Hub,
        *,
        after: int,
        previews: Mapping[str, int],
        max_bytes: int,
        as_text: bool = False,
    ) -> None:
        self._as_text = as_text
        self._db = db
        self._hub = hub
        self._after = after
        self._have = dict(previews)
        self._outlet = Outlet(max_bytes)
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def dropped(self) -> bool:
        """Whether the reader was too slow."""
        return self._outlet.dropped

    def on_drop(self, callback: Callable[[], None]) -> None:
        """Calls back, at once, when the reader is too slow: whatever it waits for, it must stop."""
        self._outlet.on_drop(callback)

    def write_by(self, write_now: Callable[[str], bool]) -> None:
        """Frames of a reader that keeps up are written by this, and not iterated over.

        `write_now` writes a frame's text, or returns False when that has to wait.
        """
        self._outlet.write_by(write_now)

    async def close(self) -> None:
        """Stops listening. May be called more than once."""
        self._closed = True
        self._hub.detach(self._outlet)

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self._frames()

    async def _frames(self) -> AsyncIterator[Frame]:
        hub = self._hub
        await hub.catch_up()
        if self._after > hub.shown:
            yield closed_frame(
                AHEAD,
                f"You have seq {self._after}, the log ends at {hub.shown}: reload the session.",
            )
            return
        # From here the outlet holds everything beyond `start`; nothing may be awaited between.
        start = hub.shown
        hub.attach(self._outlet)
        missing = hub.previews.missing(self._have)
        async for frame in self._replay(start):
            yield frame
        if missing:
            yield previews_frame(missing)
        yield caught_up_frame(start)
        while not self._closed:
            frame = await self._outlet.take()
            yield frame
            if frame.kind == "closed":
                return

    async def _replay(self, until: int) -> AsyncIterator[Frame]:
        after = self._after
        while after < until:
            frame = await self._page(after, min(PAGE, until - after))
            if frame is None:
                return
            yield frame
            after = frame.seq

    async def _page(self, after: int, limit: int) -> Frame | None:
        hub = self._hub
        place = (self._db, hub.tenant, hub.month, hub.session, after, limit)
        if self._as_text:
            page = await read_log_text(*place)
            return None if page is None else replay_frame(*page)
        events = await read_log(*place)
        return events_frame(events) if events else None
