"""The points at which the world may stop: whoever reaches one waits until it is chosen.

A point belongs to an actor. When the actor dies, what waits at its points is over: a statement that
was not begun may still be executed by the database, a frame on its way may still arrive.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(eq=False)
class Point:
    """Somebody who waits to go on."""

    actor: str
    what: str
    go: asyncio.Future[None]

    def __repr__(self) -> str:
        return f"{self.actor}: {self.what}"


@dataclass
class Steps:
    """All points that are waited at, oldest first."""

    waiting: list[Point] = field(default_factory=list)

    async def point(self, actor: str, what: str) -> None:
        """Waits to be chosen."""
        point = Point(actor, what, asyncio.get_running_loop().create_future())
        self.waiting.append(point)
        try:
            await point.go
        finally:
            if point in self.waiting:
                self.waiting.remove(point)

    def let(self, point: Point) -> None:
        """Lets one go on."""
        self.waiting.remove(point)
        if not point.go.done():
            point.go.set_result(None)

    def of(self, actor: str) -> list[Point]:
        return [point for point in self.waiting if point.actor == actor]
