"""The working directory as an archive: what is in it, and what it may do to a worker."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest

from csp_proto import worker_pb2 as pb
from csp_worker import archive
from support.worker_client import Gateway
from worker.conftest import NewGateway, NewWorker

LIMIT = 10_000_000


async def chunks(pieces: list[bytes], limit: int = LIMIT) -> AsyncIterator[pb.WorkspaceChunk]:
    yield pb.WorkspaceChunk(max_bytes=limit)
    for piece in pieces:
        yield pb.WorkspaceChunk(data=piece)


def gzipped(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as file:
        for member, data in members:
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return raw.getvalue()


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


async def test_files_links_modes_and_strange_names_come_back(tmp_path: Path) -> None:
    first, second, spool = (tmp_path / name for name in ("first", "second", "spool"))
    for directory in (first, second, spool):
        directory.mkdir()
    (first / "deep" / "er").mkdir(parents=True)
    (first / "deep" / "er" / "text").write_text("hello")
    (first / "empty").mkdir()
    (first / "run.sh").write_text("#!/bin/sh")
    (first / "run.sh").chmod(0o755)
    (first / "locked").write_text("read only")
    (first / "locked").chmod(0o444)
    (first / "big").write_bytes(os.urandom(3_000_000))
    (first / "link").symlink_to("/usr/bin/env")
    (first / "broken").symlink_to("nowhere")
    (first / "caf\udce9\n").write_text("odd")
    os.mkfifo(first / "pipe")

    found = archive.survey(first)
    pieces = list(archive.pack(first, found))
    assert max(len(piece) for piece in pieces) <= archive.CHUNK_BYTES
    assert await archive.unpack(second, spool, chunks(pieces)) == 5

    assert (second / "deep" / "er" / "text").read_text() == "hello"
    assert (second / "empty").is_dir()
    assert (second / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (second / "locked").stat().st_mode & 0o777 == 0o444
    assert (second / "big").read_bytes() == (first / "big").read_bytes()
    assert (second / "link").readlink() == Path("/usr/bin/env")
    assert (second / "broken").is_symlink()
    assert (second / "caf\udce9\n").read_text() == "odd"
    assert not (second / "pipe").exists()


async def test_a_file_that_changes_while_it_is_packed_spoils_nothing(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    for name in ("a", "b", "c"):
        (first / name).write_bytes(b"x" * 200_000)
    found = archive.survey(first)
    (first / "a").write_bytes(b"short")
    (first / "b").unlink()
    pieces = list(archive.pack(first, found))
    assert await archive.unpack(second, tmp_path, chunks(pieces)) == 2
    assert (second / "a").read_bytes() == b"short"
    assert (second / "c").stat().st_size == 200_000


def test_the_fingerprint_changes_with_what_matters(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one")
    first = archive.survey(tmp_path).fingerprint
    assert archive.survey(tmp_path).fingerprint == first
    (tmp_path / "file").write_text("two, longer")
    second = archive.survey(tmp_path).fingerprint
    (tmp_path / "file").chmod(0o700)
    third = archive.survey(tmp_path).fingerprint
    (tmp_path / "other").mkdir()
    assert len({first, second, third, archive.survey(tmp_path).fingerprint}) == 4


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (gzipped((named("../out"), b"x")), "outside"),
        (gzipped((named("/etc/out"), b"x")), "outside"),
        (gzipped((named("big"), b"0" * 5000)), "more than"),
        (gzipped((named("a"), b"x"), (named("a"), b"y")), "cannot be unpacked"),
        (b"no archive at all", "cannot be unpacked"),
        (gzipped((named("a"), b"x" * 900))[:-30], "cannot be unpacked"),
    ],
    ids=["above", "absolute", "large", "twice", "no-archive", "cut"],
)
async def test_a_bad_archive_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(archive.BadArchive, match=why):
        await archive.unpack(root, tmp_path, chunks([data], 1000))
    assert not (tmp_path / "out").exists()


async def test_nothing_is_written_through_a_link_of_the_archive(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    data = gzipped((named("door", tarfile.SYMTYPE, str(outside)), b""), (named("door/file"), b"x"))
    await archive.unpack(root, tmp_path, chunks([data]))
    assert list(outside.iterdir()) == []
    assert (root / "door" / "file").read_bytes() == b"x"


async def test_an_archive_larger_than_announced_is_not_taken(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    piece = bytes(1024 * 1024)
    with pytest.raises(archive.BadArchive, match="larger"):
        await archive.unpack(root, tmp_path, chunks([piece] * 20, 1000))


# ---- the calls


async def saved(gateway: Gateway, known: str = "", limit: int = LIMIT) -> list[pb.WorkspaceChunk]:
    request = pb.SaveWorkspaceRequest(known_fingerprint=known, max_bytes=limit)
    answer = gateway.stub.SaveWorkspace(request, metadata=gateway.metadata())
    return [chunk async for chunk in answer]


async def test_a_directory_goes_from_worker_to_worker(
    gateway: Gateway, new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    (gateway.worker.workspace_root / gateway.session_id / "file").write_text("kept")
    first, *rest = await saved(gateway)
    assert first.outcome == pb.WorkspaceChunk.STORED
    (unchanged,) = await saved(gateway, first.fingerprint)
    assert unchanged.outcome == pb.WorkspaceChunk.UNCHANGED
    (large,) = await saved(gateway, "", 3)
    assert large.outcome == pb.WorkspaceChunk.TOO_LARGE

    worker = new_worker()
    await worker.ready()
    second = new_gateway(worker, session_id=gateway.session_id, epoch=2)
    pieces = [chunk.data for chunk in rest]
    answer = await second.stub.RestoreWorkspace(chunks(pieces), metadata=second.metadata())
    assert answer.files == 1
    await second.open()
    assert (worker.workspace_root / gateway.session_id / "file").read_text() == "kept"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await second.stub.RestoreWorkspace(chunks(pieces), metadata=second.metadata())
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION


async def test_files_tie_a_worker_to_their_session(
    new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    worker = new_worker()
    await worker.ready()
    first, second = new_gateway(worker), new_gateway(worker)
    data = gzipped((named("a"), b"x"))
    await first.stub.RestoreWorkspace(chunks([data]), metadata=first.metadata())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await second.bind()
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    await first.open()


async def test_a_bad_archive_leaves_an_empty_directory_and_a_notice(
    gateway: Gateway, new_worker: NewWorker, new_gateway: NewGateway
) -> None:
    await gateway.turn("hello")
    worker = new_worker()
    await worker.ready()
    second = new_gateway(worker, gateway.log, session_id=gateway.session_id, epoch=2)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await second.stub.RestoreWorkspace(chunks([b"junk"]), metadata=second.metadata())
    assert refused.value.code() == grpc.StatusCode.DATA_LOSS
    await second.open()
    await second.until(
        lambda: any(n["code"] == "workspace_lost" for n in second.log.of("session.notice")),
        what="the notice",
    )
