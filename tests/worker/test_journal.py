"""Numbering, keeping and giving up facts; and who is to write them. No processes, no clock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csp_worker.event import Event
from csp_worker.journal import Journal
from csp_worker.spill import SpillFile
from csp_worker.writer import Election


def event(number: int, size: int = 10) -> Event:
    return Event(f"sevt_{number}", "agent.message", b"x" * size)


def numbers(journal: Journal, after: int = 0) -> list[int]:
    """Of every fact that would be sent."""
    journal.freeze()
    return [
        facts.first_n + i for _, facts in journal.batches(after) for i in range(len(facts.facts))
    ]


class FullOnce:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def full() -> FullOnce:
    return FullOnce()


def journal_in(tmp_path: Path, full: FullOnce, memory: int = 0, file: int = 5_000_000) -> Journal:
    return Journal(SpillFile(tmp_path / "spill", file), memory, full)


def test_facts_are_numbered_from_one_without_a_gap(tmp_path: Path, full: FullOnce) -> None:
    journal = journal_in(tmp_path, full, 10**9)
    assert [journal.append(event(i)) for i in range(5)] == [1, 2, 3, 4, 5]
    assert numbers(journal) == [1, 2, 3, 4, 5]


def test_what_is_acknowledged_is_given_up(tmp_path: Path, full: FullOnce) -> None:
    journal = journal_in(tmp_path, full, 10**9)
    for i in range(3):
        journal.append(event(i))
        journal.freeze()
    assert journal.ack(2)
    assert numbers(journal) == [3]
    assert not journal.ack(1)
    assert not journal.ack(99)


def test_a_frozen_batch_is_the_same_each_time(tmp_path: Path, full: FullOnce) -> None:
    journal = journal_in(tmp_path, full, 10**9)
    journal.append(event(1))
    journal.add_transcript("", b"{}")
    journal.freeze()
    first = [facts for _, facts in journal.batches(0)]
    journal.append(event(2))
    journal.freeze()
    assert next(iter(journal.batches(0)))[1] == first[0]


def test_transcript_lines_wait_for_a_fact(tmp_path: Path, full: FullOnce) -> None:
    journal = journal_in(tmp_path, full, 10**9)
    journal.add_transcript("", b"{}")
    assert numbers(journal) == []
    journal.append(event(1))
    journal.freeze()
    (_, facts), *rest = journal.batches(0)
    assert [line.entry for line in facts.transcript] == [b"{}"]
    assert not rest


def test_a_large_backlog_goes_to_the_file_and_comes_back(tmp_path: Path, full: FullOnce) -> None:
    journal = journal_in(tmp_path, full)
    for i in range(20):
        journal.append(event(i, 100_000))
    assert numbers(journal) == list(range(1, 21))
    assert (tmp_path / "spill").stat().st_size > 1_500_000
    assert [len(f.facts[0].payload) for _, f in journal.batches(0)] == [100_000] * 4
    journal.ack(20)
    assert (tmp_path / "spill").stat().st_size == 0
    assert full.times == 0


def test_a_full_file_is_said_once_and_what_follows_is_kept(tmp_path: Path, full: FullOnce) -> None:
    journal = journal_in(tmp_path, full, file=1_000_000)
    for i in range(30):
        journal.append(event(i, 100_000))
    assert full.times == 1
    assert journal.full
    assert numbers(journal) == list(range(1, 31))
    journal.ack(30)
    assert not journal.full


def test_a_disk_that_refuses_counts_as_full(tmp_path: Path, full: FullOnce) -> None:
    journal = Journal(SpillFile(tmp_path / "absent" / "spill", 10**9), 0, full)
    journal.append(event(1, 600_000))
    assert journal.full
    assert numbers(journal) == [1]


async def test_waiting_for_a_fact_ends_with_its_acknowledgement(
    tmp_path: Path, full: FullOnce
) -> None:
    journal = journal_in(tmp_path, full, 10**9)
    journal.append(event(1))
    journal.append(event(2))
    waiting = asyncio.create_task(journal.wait_acked(2))
    await asyncio.sleep(0)
    numbers(journal)
    journal.ack(1)
    await asyncio.sleep(0)
    assert not waiting.done()
    journal.ack(2)
    await asyncio.wait_for(waiting, 1)
    await journal.wait_acked(1)


@settings(deadline=None)
@given(st.lists(st.integers(1, 400), max_size=60), st.lists(st.booleans(), max_size=60))
def test_the_ring_gives_back_what_was_put(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], frees: list[bool]
) -> None:
    file = SpillFile(tmp_path_factory.mktemp("ring") / "file", 1000)
    held: list[tuple[object, bytes]] = []
    for number, size in enumerate(sizes):
        record = bytes([number % 256]) * size
        if (slot := file.put(record)) is not None:
            held.append((slot, record))
        else:
            assert sum(len(r) for _, r in held) + size > 500
        if number < len(frees) and frees[number] and held:
            file.free(held.pop(0)[0])  # type: ignore[arg-type]
        assert [file.read(s) for s, _ in held] == [r for _, r in held]  # type: ignore[arg-type]
    file.close()


# ---- who writes -------------------------------------------------------------------------------


@dataclass
class Stream:
    name: str
    can_write: bool = True
    closed: bool = False


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_role_stays_while_acknowledgements_come() -> None:
    clock = Clock()
    election: Election[Stream] = Election(clock)
    a, b = Stream("a"), Stream("b")
    election.grant(election.choose([a, b]))
    for _ in range(20):
        election.sent()
        clock.now += 4.9
        assert election.choose([a, b]) is a
        election.acknowledged(everything=False)


def test_the_role_moves_after_five_seconds_of_silence_and_round_the_circle() -> None:
    clock = Clock()
    election: Election[Stream] = Election(clock)
    streams = [Stream("a"), Stream("watcher", can_write=False), Stream("b"), Stream("c")]
    seen = []
    for _ in range(4):
        chosen = election.choose(streams)
        assert chosen is not None
        seen.append(chosen.name)
        election.grant(chosen)
        election.sent()
        clock.now += 5.0
    assert seen == ["a", "b", "c", "a"]


def test_silence_with_nothing_owed_is_no_silence() -> None:
    clock = Clock()
    election: Election[Stream] = Election(clock)
    a, b = Stream("a"), Stream("b")
    election.grant(a)
    election.sent()
    election.acknowledged(everything=True)
    clock.now += 3600
    assert election.choose([a, b]) is a


def test_a_lone_writer_keeps_the_role_however_silent() -> None:
    clock = Clock()
    election: Election[Stream] = Election(clock)
    a = Stream("a")
    election.grant(a)
    election.sent()
    clock.now += 60
    assert election.choose([a]) is a


def test_a_closed_writer_is_replaced_at_once() -> None:
    election: Election[Stream] = Election(Clock())
    a, b = Stream("a"), Stream("b")
    election.grant(a)
    a.closed = True
    assert election.choose([a, b]) is b
    assert election.choose([a]) is None
