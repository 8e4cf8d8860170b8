"""Strikes: does what the schedule says, counts what happened, and puts right what was hit."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import psutil

from bench.chaos.crowd import Crowd
from bench.chaos.cuts import Cuts
from bench.chaos.ground import GATEWAYS, Ground
from bench.chaos.person import Person
from bench.chaos.prey import hunt
from bench.chaos.probes import ACK_SHOW, BEFORE_APPEND, COMMIT_ACK, MID_DELTA
from bench.chaos.schedule import Blow
from support.casualties import Family
from support.waiting import DeadlineExceeded, wait_until

PROBE_S = 40.0
EARLY_S = 60.0
REBIND_S = 60.0
GATEWAY_PAUSE_S = 7.0
"""Longer than a worker waits for its writer."""

WORKER_PAUSE_S = 12.0
"""Longer than a gateway waits for a worker."""


class Havoc:
    """Strikes one blow after the other; long ones go on beside the next."""

    def __init__(self, ground: Ground, crowd: Crowd) -> None:
        self._ground = ground
        self._crowd = crowd
        self.counts: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        """Blows that found nothing to hit."""
        self.impossible: dict[str, str] = {}
        """Kinds that cannot be struck on this machine, with the reason."""
        self._mending: set[asyncio.Task[None]] = set()
        self._busy: set[str] = set()
        self._kinds: dict[str, Callable[[Blow], Awaitable[bool]]] = {
            "gateway killed": self._gateway,
            "gateway killed mid-delta": lambda b: self._gateway_at(b, MID_DELTA),
            "gateway killed between commit and acknowledgement":
                lambda b: self._gateway_at(b, COMMIT_ACK),
            "gateway killed between acknowledgement and show":
                lambda b: self._gateway_at(b, ACK_SHOW),
            "worker killed": self._worker,
            "worker killed mid-delta": self._worker_mid_delta,
            "cli killed": self._cli,
            "model proxy killed": self._proxy,
            "postgres killed": self._postgres,
            "valkey killed": self._valkey,
            "valkey flushed": self._flush,
            "gateway paused": self._pause_gateway,
            "worker paused": self._pause_worker,
            "postgres read-only": self._read_only,
            "postgres full": self._full,
            "old epoch woken late": self._wake_late,
            **Cuts(ground, crowd).kinds,
        }  # fmt: skip

    async def strike(self, blow: Blow) -> None:
        """Waits its time, then strikes."""
        await asyncio.sleep(blow.after_s)
        hit = await self._kinds[blow.kind](blow)
        (self.counts if hit else self.missed)[blow.kind] += 1

    async def mended(self) -> None:
        """Returns when nothing is paused, cut or down any more."""
        while self._mending:
            await asyncio.gather(*self._mending)

    def _later(self, work: Awaitable[None], name: str) -> None:
        async def run() -> None:
            await work

        task = asyncio.create_task(run(), name=name)
        self._mending.add(task)
        task.add_done_callback(self._mending.discard)

    # ---- gateways

    async def _free_gateway(self, blow: Blow) -> str:
        """One that is not down or paused."""
        while True:
            free = [name for name in GATEWAYS if name not in self._busy]
            if free:
                return free[blow.whom % len(free)]
            await asyncio.sleep(0.05)

    async def _gateway(self, blow: Blow) -> bool:
        name = await self._free_gateway(blow)
        self._ground.kill(name)
        self._restart(name)
        return True

    async def _gateway_at(self, blow: Blow, place: str) -> bool:
        """The first gateway that passes the place dies there."""
        reached = await self._reached(place)
        for name, _ in reached:
            self._restart(name)
        return bool(reached)

    async def _reached(self, place: str, deadline: float = PROBE_S) -> list[tuple[str, str]]:
        """Arms the place in all gateways: who passed it, and with what in hand.

        When all of them run: some places are passed only by who is beside another.
        """
        await wait_until(lambda: not self._busy, REBIND_S, "all gateways running")
        armed = {name: self._ground.points(name) / place for name in GATEWAYS}
        for path in armed.values():
            path.touch()
        with suppress(DeadlineExceeded):
            await wait_until(lambda: any(map(_hit, armed.values())), deadline, place)
        for path in armed.values():
            path.unlink(missing_ok=True)
        reached = [name for name, path in armed.items() if _hit(path)]
        found = []
        for name in reached:
            found.append((name, _hit_path(armed[name]).read_text()))
            _hit_path(armed[name]).unlink()
        self._busy.update(reached)
        return found

    async def _wake_late(self, blow: Blow) -> bool:
        """A gateway stops with facts in its hand, their worker dies, the session is bound again;
        when the new epoch has come as far as the old one, the gateway goes on.

        The facts are early ones, so a worker dies first, for another to begin.
        """
        _killed(await self._prey(blow, lambda person: person.unfinished() > 0))
        reached = await self._reached(BEFORE_APPEND, EARLY_S)
        woken = False
        for name, note in reached:
            try:
                session, epoch, first_n = note.split()
                found = await self._ground.worker(session)
                if _killed(found.family if found else None):
                    woken = await self._ground.stores.next_epoch_at(
                        session, int(epoch), int(first_n), REBIND_S
                    )
            finally:
                self._busy.discard(name)
                with suppress(ProcessLookupError):
                    os.kill(self._ground.pid(name), signal.SIGCONT)
        return woken

    def _restart(self, name: str) -> None:
        self._busy.add(name)

        async def start() -> None:
            try:
                await self._gone(name)
                await self._ground.start_gateway(name)
            finally:
                self._busy.discard(name)

        self._later(start(), f"restart {name}")

    async def _gone(self, name: str) -> None:
        await wait_until(lambda: not self._ground.lives(name), 20, f"the end of {name}", 0.01)

    async def _pause_gateway(self, blow: Blow) -> bool:
        name = await self._free_gateway(blow)
        self._busy.add(name)
        pid = self._ground.pid(name)
        os.kill(pid, signal.SIGSTOP)

        async def go_on() -> None:
            await asyncio.sleep(GATEWAY_PAUSE_S)
            self._busy.discard(name)
            os.kill(pid, signal.SIGCONT)

        self._later(go_on(), f"wake {name}")
        return True

    # ---- workers

    async def _prey(self, blow: Blow, fit: Callable[[Person], bool]) -> Family | None:
        found = await hunt(self._ground, self._crowd, blow, fit)
        return found.family if found else None

    async def _worker(self, blow: Blow) -> bool:
        return _killed(await self._prey(blow, lambda person: True))

    async def _worker_mid_delta(self, blow: Blow) -> bool:
        return _killed(await self._prey(blow, lambda person: person.writing))

    async def _cli(self, blow: Blow) -> bool:
        family = await self._prey(blow, lambda person: True)
        for process in family.below if family else ():
            with suppress(psutil.NoSuchProcess):
                if process.name() == "claude":
                    process.kill()
                    return True
        return False

    async def _pause_worker(self, blow: Blow) -> bool:
        family = await self._prey(blow, lambda person: person.writing)
        if family is None:
            return False
        try:
            family.head.suspend()
        except psutil.NoSuchProcess:
            return False

        async def go_on() -> None:
            await asyncio.sleep(WORKER_PAUSE_S)
            with suppress(psutil.NoSuchProcess):
                family.head.resume()

        self._later(go_on(), "wake a worker")
        return True

    # ---- servers

    async def _proxy(self, blow: Blow) -> bool:
        self._ground.kill("proxy")
        await self._gone("proxy")
        await self._ground.start_proxy()
        return True

    async def _postgres(self, blow: Blow) -> bool:
        await asyncio.to_thread(self._ground.stores.kill_postgres)
        return True

    async def _valkey(self, blow: Blow) -> bool:
        await asyncio.to_thread(self._ground.stores.kill_valkey)
        return True

    async def _flush(self, blow: Blow) -> bool:
        await asyncio.to_thread(self._ground.stores.valkey.flush)
        return True

    async def _read_only(self, blow: Blow) -> bool:
        await self._ground.stores.read_only(True)
        try:
            await asyncio.sleep(1 + 2 * blow.how)
        finally:
            await self._ground.stores.read_only(False)
        return True

    async def _full(self, blow: Blow) -> bool:
        if not self._ground.stores.can_be_full:
            self.impossible[blow.kind] = "no small disk: this machine mounts no tmpfs for us"
            return False
        await asyncio.to_thread(self._ground.stores.fill, True)
        try:
            await asyncio.sleep(1 + 2 * blow.how)
        finally:
            await asyncio.to_thread(self._ground.stores.fill, False)
            await asyncio.to_thread(self._ground.stores.revive_postgres)
        return True


def _hit_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.hit")


def _hit(path: Path) -> bool:
    return _hit_path(path).exists()


def _killed(family: Family | None) -> bool:
    if family is None:
        return False
    try:
        family.kill()
    except psutil.NoSuchProcess:
        return False
    return True
