"""The working directory as a manifest and pieces: what is kept, and what may come back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import grpc
import grpc.aio
import pytest

from csp_proto import worker_pb2 as pb
from csp_worker import manifest, workspace
from csp_worker.manifest import BadManifest, Entry, Limits
from csp_worker.restoring import Restoration
from support.worker_client import Gateway
from worker.conftest import NewGateway, NewWorker

LIMITS = Limits(10_000_000, 5_000_000, ("node_modules", "*.tmp"))
WIRE = pb.WorkspaceLimits(total_bytes=10_000_000, file_bytes=5_000_000, exclude=["node_modules"])


def packed(root: Path, limits: Limits = LIMITS) -> tuple[bytes, dict[str, bytes]]:
    """The manifest of a directory and its pieces by hash."""
    entries = manifest.with_pieces(root, manifest.survey(root, limits))
    pieces = {
        name: manifest.piece(root, entry.path, index) or b""
        for entry in entries
        for index, name in enumerate(entry.pieces)
    }
    return manifest.encode(entries), pieces


def restore(root: Path, spool: Path, data: bytes, pieces: dict[str, bytes]) -> set[str]:
    """Restores, and says which pieces were wanted."""
    work = Restoration(root, spool, data, LIMITS)
    try:
        wanted = work.wanted()
        for name in wanted:
            work.take(pieces[name])
        work.finish()
    finally:
        work.close()
    return set(wanted)


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    found = tuple(tmp_path / name for name in ("first", "second", "spool"))
    for directory in found:
        directory.mkdir()
    return found  # type: ignore[return-value]


def test_files_links_modes_and_strange_names_come_back(places: tuple[Path, Path, Path]) -> None:
    first, second, spool = places
    (first / "deep" / "er").mkdir(parents=True)
    (first / "deep" / "er" / "text").write_text("hello")
    (first / "empty").mkdir()
    (first / "nothing").touch()
    (first / "run.sh").write_text("#!/bin/sh")
    (first / "run.sh").chmod(0o755)
    (first / "locked").write_text("read only")
    (first / "locked").chmod(0o444)
    (first / "big").write_bytes(os.urandom(3_000_000))
    (first / "link").symlink_to("/usr/bin/env")
    (first / "broken").symlink_to("nowhere")
    (first / "caf\udce9\n").write_text("odd")
    os.mkfifo(first / "pipe")
    restore(second, spool, *packed(first))

    assert (second / "deep" / "er" / "text").read_text() == "hello"
    assert (second / "empty").is_dir()
    assert (second / "nothing").read_bytes() == b""
    assert (second / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (second / "locked").stat().st_mode & 0o777 == 0o444
    assert (second / "big").read_bytes() == (first / "big").read_bytes()
    assert (second / "big").stat().st_mtime_ns == (first / "big").stat().st_mtime_ns
    assert (second / "link").readlink() == Path("/usr/bin/env")
    assert (second / "broken").is_symlink()
    assert (second / "caf\udce9\n").read_text() == "odd"
    assert not (second / "pipe").exists()
    assert list(spool.iterdir()) == []
    assert packed(first)[0] == packed(second)[0], "the same directory is the same manifest"


def test_a_directory_goes_back_to_what_it_was(places: tuple[Path, Path, Path]) -> None:
    root, _, spool = places
    (root / "same").write_bytes(b"s" * 2_000_000)
    (root / "changed").write_text("old")
    (root / "moved").write_text("moves")
    (root / "door").symlink_to("same")
    (root / "node_modules").mkdir()
    (root / "node_modules" / "made").write_text("again")
    data, pieces = packed(root)
    (root / "changed").write_text("new and longer")
    (root / "moved").rename(root / "elsewhere")
    (root / "added").mkdir()
    (root / "added" / "file").write_text("x")
    (root / "door").unlink()
    (root / "door").mkdir()
    wanted = restore(root, spool, data, pieces)

    assert wanted == {hashlib.sha256(b"old").hexdigest()}, "what is here does not travel"
    assert (root / "changed").read_text() == "old"
    assert (root / "moved").read_text() == "moves"
    assert (root / "door").readlink() == Path("same")
    assert not (root / "elsewhere").exists()
    assert not (root / "added").exists()
    assert (root / "node_modules" / "made").read_text() == "again", "what is never kept stays"
    assert packed(root)[0] == data


def test_what_is_left_out_is_told(places: tuple[Path, Path, Path]) -> None:
    root, _, _ = places
    (root / "node_modules").mkdir()
    (root / "cache").mkdir()
    (root / "cache" / "CACHEDIR.TAG").touch()
    (root / "a.tmp").touch()
    (root / "huge").write_bytes(bytes(600))
    (root / "large").write_bytes(bytes(400))
    (root / "small").write_bytes(bytes(100))
    found = manifest.survey(root, Limits(450, 500, LIMITS.exclude))
    assert {(left.path, left.reason) for left in found.left_out} == {
        ("node_modules", "pattern"), ("cache", "pattern"), ("a.tmp", "pattern"),
        ("huge", "file_size"), ("large", "total_size"),
    }  # fmt: skip
    assert [entry.path for entry in found.entries] == ["small"]


def test_the_fingerprint_changes_with_what_matters(tmp_path: Path) -> None:
    def fingerprint() -> str:
        return manifest.survey(tmp_path, LIMITS).fingerprint

    (tmp_path / "file").write_text("one")
    first = fingerprint()
    assert fingerprint() == first
    (tmp_path / "file").write_text("two, longer")
    second = fingerprint()
    (tmp_path / "file").chmod(0o700)
    third = fingerprint()
    (tmp_path / "other").mkdir()
    assert len({first, second, third, fingerprint()}) == 4


def listing(*entries: Entry) -> bytes:
    return manifest.encode(entries)


DIGEST = hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (listing(Entry("../out", "f", 0o600, 1, 0, "", (DIGEST,))), "outside"),
        (listing(Entry("/etc/out", "f", 0o600, 1, 0, "", (DIGEST,))), "outside"),
        (listing(Entry("big", "f", 0o600, 10**9, 0, "", (DIGEST,) * 1000)), "more than"),
        (listing(Entry("a", "f", 0o600, 10**7, 0, "", (DIGEST,))), "does not fit"),
        (listing(Entry("a", "f", 0o600, 1, 0, "", (DIGEST,))), "did not come"),
        (b"no manifest at all", "cannot be read"),
        (listing(Entry("a", "d", 0o700))[:-5], "cannot be read"),
    ],
    ids=["above", "absolute", "large", "pieces", "missing", "no-manifest", "cut"],
)
def test_a_bad_manifest_is_refused(places: tuple[Path, Path, Path], data: bytes, why: str) -> None:
    root, _, spool = places
    with pytest.raises(BadManifest, match=why):
        work = Restoration(root, spool, data, LIMITS)
        work.wanted()
        work.finish()
    assert list(root.iterdir()) == []


def test_nothing_is_written_through_a_link(places: tuple[Path, Path, Path]) -> None:
    root, outside, spool = places
    (root / "door").symlink_to(outside)
    data = listing(Entry("door", "d", 0o700), Entry("door/file", "f", 0o600, 1, 0, "", (DIGEST,)))
    restore(root, spool, data, {DIGEST: b"x"})
    assert list(outside.iterdir()) == []
    assert (root / "door" / "file").read_bytes() == b"x"


# ---- the calls


async def saved(gateway: Gateway, known: str = "") -> list[pb.WorkspaceManifest]:
    request = pb.SaveWorkspaceRequest(known_fingerprint=known, limits=WIRE)
    answer = gateway.stub.SaveWorkspace(request, metadata=gateway.metadata())
    return [part async for part in answer]


async def read(gateway: Gateway, names: Iterable[bytes]) -> list[bytes]:
    request = pb.ReadPiecesRequest(pieces=list(names))
    answer = gateway.stub.ReadPieces(request, metadata=gateway.metadata())
    return [piece.data async for piece in answer]


async def parts(data: bytes, replace: bool = False) -> AsyncIterator[pb.WorkspaceManifest]:
    yield pb.WorkspaceManifest(replace=replace, limits=WIRE)
    yield pb.WorkspaceManifest(data=data)


async def pieces_of(*data: bytes) -> AsyncIterator[pb.WorkspacePiece]:
    for piece in data:
        yield pb.WorkspacePiece(data=piece)


async def test_a_directory_goes_from_worker_to_worker(
    gateway: Gateway, new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    file = gateway.worker.workspace_root / gateway.session_id / "file"
    file.write_text("kept")
    first, *rest = await saved(gateway)
    (unchanged,) = await saved(gateway, first.fingerprint)
    assert unchanged.unchanged
    assert (first.files, first.size_bytes, len(first.pieces)) == (1, 4, 1)
    assert await read(gateway, first.pieces) == [b"kept"]
    file.write_text("else")
    assert await read(gateway, first.pieces) == [], "it is not what was listed"

    worker = new_worker()
    await worker.ready()
    second = new_gateway(worker, session_id=gateway.session_id, epoch=2)
    data = b"".join(part.data for part in rest)
    offered = await second.stub.OfferWorkspace(parts(data), metadata=second.metadata())
    assert list(offered.wanted) == list(first.pieces)
    answer = await second.stub.RestoreWorkspace(pieces_of(b"kept"), metadata=second.metadata())
    assert answer.files == 1
    assert (await second.stub.OfferWorkspace(parts(data), metadata=second.metadata())).kept
    await second.open()
    assert (worker.workspace_root / gateway.session_id / "file").read_text() == "kept"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await second.stub.OfferWorkspace(parts(data), metadata=second.metadata())
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION


async def test_files_tie_a_worker_to_their_session(
    new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    worker = new_worker()
    await worker.ready()
    first, second = new_gateway(worker), new_gateway(worker)
    await first.stub.OfferWorkspace(parts(listing()), metadata=first.metadata())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await second.bind()
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    await first.open()


async def test_a_bad_manifest_leaves_no_directory_and_a_notice(
    gateway: Gateway, new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    await gateway.turn("hello")
    worker = new_worker()
    await worker.ready()
    second = new_gateway(worker, gateway.log, session_id=gateway.session_id, epoch=2)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await second.stub.OfferWorkspace(parts(b"junk"), metadata=second.metadata())
    assert refused.value.code() == grpc.StatusCode.DATA_LOSS
    await second.open()
    await second.until(
        lambda: any(n["code"] == "workspace_lost" for n in second.log.of("session.notice")),
        what="the notice",
    )


async def test_what_is_too_large_is_named_before_what_can_be_made_again(tmp_path: Path) -> None:
    for number in range(workspace.NAMED_LEFT_OUT + 5):
        (tmp_path / f"{number:02}" / "node_modules").mkdir(parents=True)
    (tmp_path / "z.bin").write_bytes(b"x" * 20)
    (tmp_path / "z.log").write_bytes(b"x" * 9)
    limits = pb.WorkspaceLimits(total_bytes=8, file_bytes=10, exclude=["node_modules"])
    request = pb.SaveWorkspaceRequest(limits=limits)
    first = await anext(workspace.Saver().manifest(tmp_path, request))
    named = [(one.path, one.reason) for one in first.left_out]
    assert named[:2] == [("z.bin", "file_size"), ("z.log", "total_size")]
    assert len(named) == workspace.NAMED_LEFT_OUT
    assert first.left_out_count == workspace.NAMED_LEFT_OUT + 7
