"""One session inside one gateway: the ordered pipe through which every event passes once.

Events reach a hub by this gateway's own commits, or by a read of what is beyond the last one shown.
They leave in seq order, to subscribers and to the attachment that delivers input. A hub never waits
for a subscriber: one that is too slow is closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import date

from csp_controlplane.domain.events import LoggedEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.live.frames import (
    SLOW,
    Frame,
    Piece,
    closed_frame,
    events_frame,
    previews_frame,
    withdrawn_frame,
)
from csp_controlplane.live.previews import PREVIEWED, OpenPreviews
from csp_controlplane.live.wakeup import Wakeup
from csp_controlplane.store.database import Database
from csp_controlplane.store.log import ends_the_log, read_log

PAGE = 1000


class Outlet:
    """A subscriber's bounded queue. The hub puts frames, one reader takes them.

    While the reader has nothing left to do, a frame need not wake it: `write_now` may take it there
    and then. With a hundred streams the wake-ups cost more than the writes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._max_bytes = max_bytes
        self._ready = Wakeup()
        self._on_drop: Callable[[], None] | None = None
        self._write_now: Callable[[str], bool] | None = None
        self.dropped = False

    def put(self, frame: Frame) -> None:
        """Adds a frame, or closes the subscription when its reader is too far behind."""
        if self.dropped:
            return
        idle = self._ready.awaited and not self._frames
        if idle and self._write_now is not None and frame.text and self._write_now(frame.text):
            return
        self._bytes += len(frame.text)
        if self._bytes > self._max_bytes:
            self.dropped = True
            if self._on_drop is not None:
                self._on_drop()
            self._frames.clear()
            frame = closed_frame(SLOW, "Too slow: reconnect with the last seq that you have.")
        self._frames.append(frame)
        self._ready.set()

    def on_drop(self, callback: Callable[[], None]) -> None:
        """Calls back, at once, when the reader is too slow: whatever it waits for, it must stop."""
        self._on_drop = callback

    def write_by(self, write_now: Callable[[str], bool]) -> None:
        """Writes a message of the socket, or returns False when that has to wait."""
        self._write_now = write_now

    async def take(self) -> Frame:
        """The next frame."""
        while not self._frames:
            self._ready.clear()
            await self._ready.wait()
        frame = self._frames.popleft()
        self._bytes -= len(frame.text)
        return frame


class Hub:
    """The state of one session in this gateway."""

    def __init__(self, db: Database, tenant: str, session: str, month: date, shown: int) -> None:
        self.tenant = tenant
        self.session = session
        self.month = month
        self.shown = shown
        self.previews = OpenPreviews()
        self.fold: tuple[int, Fold] | None = None
        """The newest fold that this gateway knows, with its version: a guess that saves a read.
        Whoever appends names the version, so a guess that is too old writes nothing."""
        self._db = db
        self._outlets: set[Outlet] = set()
        self._listeners: set[Callable[[Sequence[LoggedEvent]], None]] = set()
        self._catching_up = asyncio.Lock()

    # ---- what comes in

    def committed(self, events: Sequence[LoggedEvent]) -> bool:
        """Shows events that are in the log. False: there is a gap before them, so catch up."""
        if not events or events[-1].seq <= self.shown:
            return True
        if events[0].seq > self.shown + 1:
            return False
        fresh = events[self.shown + 1 - events[0].seq :]
        self.shown = fresh[-1].seq
        self._push(events_frame(fresh))
        self._settle_previews(fresh)
        for listener in tuple(self._listeners):
            listener(fresh)
        return True

    def folded(self, version: int, fold: Fold) -> None:
        """This gateway has written a fold."""
        if self.fold is None or version > self.fold[0]:
            self.fold = version, fold

    async def catch_up(self, head: int | None = None) -> None:
        """Reads and shows what is beyond the last event shown."""
        async with self._catching_up:
            while head is None or head > self.shown:
                events = await read_log(
                    self._db, self.tenant, self.month, self.session, self.shown, PAGE
                )
                if events:
                    self.fold = None  # written elsewhere, perhaps with a fold of their own
                self.committed(events)
                if ends_the_log(events, PAGE):
                    return

    def preview(self, pieces: Iterable[Piece]) -> None:
        """Shows pieces of events that are still being written."""
        fresh = self.previews.add(pieces)
        if fresh:
            self._push(previews_frame(fresh))

    def withdraw(self, event_id: str) -> None:
        """Takes one preview back."""
        if self.previews.drop(event_id):
            self._push(withdrawn_frame(event_id))

    def withdraw_all(self) -> None:
        """Takes back whatever is still being written: nobody is writing it any more."""
        for event_id in self.previews.ids():
            self.withdraw(event_id)

    def close(self, code: int, reason: str) -> None:
        """Ends every subscription."""
        self._push(closed_frame(code, reason))

    # ---- who listens

    def attach(self, outlet: Outlet) -> None:
        self._outlets.add(outlet)

    def detach(self, outlet: Outlet) -> None:
        self._outlets.discard(outlet)

    def listen(self, listener: Callable[[Sequence[LoggedEvent]], None]) -> None:
        """Calls back with every further event, in order, inside the event loop."""
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[Sequence[LoggedEvent]], None]) -> None:
        self._listeners.discard(listener)

    @property
    def watched(self) -> bool:
        return bool(self._outlets)

    @property
    def idle(self) -> bool:
        return not self._outlets and not self._listeners

    def _push(self, frame: Frame) -> None:
        for outlet in tuple(self._outlets):
            outlet.put(frame)

    def _settle_previews(self, events: Sequence[LoggedEvent]) -> None:
        for event in events:
            if event.type in PREVIEWED:
                self.previews.settle(event.id)
            elif event.type == "span.turn_end":
                self.withdraw_all()
