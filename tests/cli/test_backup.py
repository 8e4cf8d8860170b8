"""`csp backup` and `csp restore`: everything comes back, and nothing is destroyed by mistake."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csp_controlplane.supervisor.errors import ExitCode
from support.csp_command import csp
from support.stack import Stack

pytestmark = pytest.mark.timeout(300)  # whole installations, maybe on a busy machine


@pytest.fixture(scope="module")
def original() -> Iterator[Stack]:
    """An installation with a session that has worked. A test may stop and start it."""
    stack = Stack()
    stack.start()
    done = csp("chat", "--approve", "run: echo precious > kept.txt", data=stack.layout.data)
    assert done.returncode == 0, done.stderr
    yield stack
    stack.close()


@pytest.fixture
def other() -> Iterator[Stack]:
    """A second installation, not started."""
    stack = Stack()
    yield stack
    stack.close()


async def logs_of(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """Every session's log."""
    async with stack.client() as client:
        sessions = (await client.get("/sessions")).json()["data"]
        return {
            session["id"]: (await client.get(f"/sessions/{session['id']}/events")).json()["data"]
            for session in sessions
        }


async def test_what_was_backed_up_while_running_comes_back_elsewhere(
    original: Stack, other: Stack, tmp_path: Path
) -> None:
    file = tmp_path / "backup.tar.gz"
    before = await logs_of(original)
    done = csp("backup", str(file), data=original.layout.data)
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    done = csp("restore", str(file), data=other.layout.data)
    assert done.returncode == 0, done.stderr
    said = [line.split()[0] for line in (done.stdout + done.stderr).splitlines()]
    assert said == ["Backup", "Restored"], "logs are for files"
    other.start()
    after = await logs_of(other)
    assert after == before
    (session,) = before
    assert (other.layout.workspaces / session / "kept.txt").read_text() == "precious\n"
    assert other.layout.signing_key.read_bytes() == original.layout.signing_key.read_bytes()
    told = csp(
        "chat", "--resume", session, "--approve", "run: cat kept.txt", data=other.layout.data
    )
    assert "precious" in told.stderr, told.stderr


async def test_a_stopped_installation_is_backed_up_and_replaced_only_by_force(
    original: Stack, tmp_path: Path
) -> None:
    before = await logs_of(original)
    original.stop()
    file = tmp_path / "backup.tar.gz"
    data = original.layout.data
    assert csp("backup", str(file), data=data).returncode == 0
    again = csp("backup", str(file), data=data)
    assert again.returncode == ExitCode.REFUSED
    assert "--force" in again.stderr
    refused = csp("restore", str(file), data=data)
    assert refused.returncode == ExitCode.REFUSED
    assert "not empty" in refused.stderr
    forced = csp("restore", str(file), "--force", data=data)
    assert forced.returncode == 0, forced.stderr
    original.start()
    assert await logs_of(original) == before


def test_a_running_installation_is_not_restored_into(original: Stack, tmp_path: Path) -> None:
    done = csp("restore", str(tmp_path / "any"), "--force", data=original.layout.data)
    assert done.returncode == ExitCode.ALREADY_RUNNING


def test_nothing_to_back_up_is_one_sentence(tmp_path: Path) -> None:
    done = csp("backup", str(tmp_path / "file"), data=tmp_path / "data")
    assert done.returncode == ExitCode.NOT_RUNNING
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x1f\x8b\x08\x00cut"])
def test_a_file_that_is_no_backup_changes_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    done = csp("restore", str(file), data=tmp_path / "data")
    assert done.returncode == ExitCode.USAGE
    (line,) = done.stderr.strip().splitlines()
    assert str(file) in line
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_member_that_would_land_outside_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    manifest = b'{"format": 1, "csp_version": "0", "created_at": "now"}'
    with tarfile.open(file, "w:gz") as tar:
        for name, content in (("manifest.json", manifest), ("workspaces/../../evil", b"x")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    done = csp("restore", str(file), data=tmp_path / "data")
    assert done.returncode == ExitCode.REFUSED
    assert not (tmp_path / "evil").exists()


def test_a_member_behind_a_link_is_refused(tmp_path: Path) -> None:
    file, outside = tmp_path / "file", tmp_path / "outside"
    outside.mkdir()
    manifest = b'{"format": 1, "csp_version": "0", "created_at": "now"}'
    with tarfile.open(file, "w:gz") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))
        link = tarfile.TarInfo("workspaces/link")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        tar.addfile(link)
        member = tarfile.TarInfo("workspaces/link/evil")
        tar.addfile(member, io.BytesIO(b""))
    done = csp("restore", str(file), data=tmp_path / "data")
    assert done.returncode == ExitCode.REFUSED
    assert list(outside.iterdir()) == []
