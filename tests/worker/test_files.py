"""Looking into the working directory over gRPC, and never out of it."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
import grpc.aio
import pytest

from csp_proto import worker_pb2 as pb
from csp_worker import files
from support.worker_client import Gateway


async def read(gateway: Gateway, path: str, max_bytes: int = 0) -> bytes:
    stream = gateway.stub.ReadFile(
        pb.ReadFileRequest(path=path, max_bytes=max_bytes), metadata=gateway.metadata()
    )
    return b"".join([chunk.data async for chunk in stream])


async def test_files_of_the_session_are_listed_and_read(gateway: Gateway) -> None:
    directory = gateway.worker.workspace_root / gateway.session_id
    (directory / "sub").mkdir()
    (directory / "sub" / "b.bin").write_bytes(os.urandom(200_000))
    (directory / "a.txt").write_text("hello")
    (directory / "empty").touch()
    answer = await gateway.stub.ListFiles(pb.ListFilesRequest(), metadata=gateway.metadata())

    assert [(f.name, f.directory, f.size) for f in answer.files if not f.directory] == [
        ("a.txt", False, 5),
        ("empty", False, 0),
    ]
    assert [f.name for f in answer.files if f.directory] == ["sub"]
    assert await read(gateway, "a.txt") == b"hello"
    assert await read(gateway, "a.txt", 2) == b"he"
    assert await read(gateway, "empty") == b""
    assert await read(gateway, "sub/b.bin") == (directory / "sub" / "b.bin").read_bytes()

    for path in ("../x", "/etc/passwd", "absent", "sub", "a\0b"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await read(gateway, path)
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND, path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    (tmp_path / "outside.txt").write_text("secret")
    return directory


@pytest.mark.parametrize("path", ["../outside.txt", "sub/../../outside.txt", "/etc/passwd"])
def test_paths_to_the_outside_are_not_there(root: Path, path: str) -> None:
    (root / "sub").mkdir()
    with pytest.raises(files.NotThere):
        list(files.chunks(root, path, 0))
    with pytest.raises(files.NotThere):
        files.listing(root, "..")


def test_links_are_followed_inside_only(root: Path) -> None:
    (root / "real").write_text("inside")
    (root / "good").symlink_to("real")
    (root / "bad").symlink_to("../outside.txt")
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")

    assert [entry.name for entry in files.listing(root, "")[0]] == ["good", "real"]
    assert b"".join(data for data, _ in files.chunks(root, "good", 0)) == b"inside"
    for path in ("bad", "up/outside.txt", "loop"):
        with pytest.raises(files.NotThere):
            list(files.chunks(root, path, 0))


def test_a_pipe_is_no_file(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(files.NotThere):
        list(files.chunks(root, "pipe", 0))


def test_a_crowded_directory_is_cut(root: Path) -> None:
    for number in range(2001):
        (root / f"f{number:05}").touch()
    entries, more = files.listing(root, "")
    assert len(entries) == 2000
    assert more


def test_names_that_are_no_unicode_are_listed(root: Path) -> None:
    (root / os.fsdecode(b"bad\xff")).touch()
    entries, _ = files.listing(root, "")
    entries[0].name.encode()
