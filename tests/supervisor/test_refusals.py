"""Why `csp up` may refuse: one clear sentence on standard error, one exit code, nothing left."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from csp_controlplane.supervisor.errors import ExitCode
from support.processes import free_port, processes_of
from support.stack import Stack

pytestmark = pytest.mark.timeout(240)  # whole installations, maybe on a busy machine

CSP = str(Path(sys.executable).with_name("csp"))


def up(data: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`csp up` that is expected to refuse."""
    done = subprocess.run(
        [CSP, "up", *(options or ("--port", str(free_port())))],
        env={**os.environ, "ANTHROPIC_API_KEY": "", "CSP_DATA_DIR": str(data), **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert processes_of(data) == []
    return done


def sentence(done: subprocess.CompletedProcess[str], code: ExitCode) -> str:
    """What it said: one line, and no traceback."""
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("csp: ")
    return line


def test_a_second_one_on_the_same_data_names_the_first(stack: Stack) -> None:
    done = subprocess.run(
        [CSP, "up", "--port", str(free_port())],
        env={**os.environ, "CSP_DATA_DIR": str(stack.layout.data)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = sentence(done, ExitCode.ALREADY_RUNNING)
    assert stack.url in said
    assert str(stack.process.pid) in said
    assert "csp login" in said
    assert stack.process.running


def test_a_taken_port_names_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = sentence(up(tmp_path / "data", "--port", str(port)), ExitCode.PORT_TAKEN)
    assert str(port) in said
    assert "CSP_GATEWAY_PORT" in said


def test_a_taken_port_of_a_further_gateway_is_found_too(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ("--port", str(port - 1), "--gateways", "2")
        said = sentence(up(tmp_path / "data", *options), ExitCode.PORT_TAKEN)
    assert str(port) in said


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = sentence(up(tmp_path / "file" / "data"), ExitCode.DATA_DIRECTORY)
    assert str(tmp_path / "file" / "data") in said
    assert "CSP_DATA_DIR" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_data_directory_that_may_only_be_read(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    said = sentence(up(small_disk / "data"), ExitCode.DATA_DIRECTORY)
    assert "Read-only" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("there", [False, True], ids=["not-made-yet", "made"])
def test_a_data_directory_that_is_not_ones_own(tmp_path: Path, there: bool) -> None:
    data = tmp_path / "theirs" / "data"
    data.mkdir(parents=True)
    if not there:
        data.rmdir()
    closed = data if there else data.parent
    closed.chmod(0o555)
    try:
        said = sentence(up(data), ExitCode.DATA_DIRECTORY)
    finally:
        closed.chmod(0o755)
    assert str(data) in said
    assert "Permission denied" in said
    assert "CSP_DATA_DIR" in said


def test_a_disk_with_too_little_space(small_disk: Path) -> None:
    said = sentence(up(small_disk / "data"), ExitCode.DISK_FULL)
    assert re.search(r"has \d MB left and csp needs 512 MB", said)
    assert "free some space" in said


def test_a_disk_that_fills_up_during_the_start(small_disk: Path) -> None:
    done = up(small_disk / "data", CSP_SUPERVISOR_MIN_FREE_BYTES="0")
    assert "could not be created" in sentence(done, ExitCode.DISK_FULL)


def test_a_cli_that_is_missing(tmp_path: Path) -> None:
    done = up(tmp_path / "data", CSP_WORKER_CLI_PATH=str(tmp_path / "nowhere"))
    assert "CSP_WORKER_CLI_PATH" in sentence(done, ExitCode.MISSING_PART)


def test_a_database_of_ones_own_that_does_not_answer(tmp_path: Path) -> None:
    url = f"postgresql://nobody:hidden@127.0.0.1:{free_port()}/csp"
    said = sentence(up(tmp_path / "data", CSP_DATABASE_URL=url), ExitCode.DATABASE)
    assert "CSP_DATABASE_URL" in said
    assert "hidden" not in said


def test_a_cache_of_ones_own_that_does_not_answer(tmp_path: Path, database_url: str) -> None:
    done = up(
        tmp_path / "data",
        CSP_DATABASE_URL=database_url,
        CSP_REDIS_URL=f"redis://127.0.0.1:{free_port()}",
    )
    assert "CSP_REDIS_URL" in sentence(done, ExitCode.DATABASE)


async def test_a_database_written_by_a_newer_csp(tmp_path: Path, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("update alembic_version set version_num = '9999'")
    await connection.close()
    done = up(tmp_path / "data", CSP_DATABASE_URL=database_url)
    assert "newer csp" in sentence(done, ExitCode.DATABASE)


def test_a_setting_that_makes_no_sense(tmp_path: Path) -> None:
    said = sentence(up(tmp_path / "data", CSP_SUPERVISOR_WARM="many"), ExitCode.USAGE)
    assert "CSP_SUPERVISOR_WARM" in said


def test_a_part_that_cannot_start_is_named_with_its_log(tmp_path: Path) -> None:
    done = up(tmp_path / "data", CSP_GATEWAY_MESSAGE_BYTES="lots")
    said = sentence(done, ExitCode.PART_FAILED)
    assert "The gateway ended while it started" in said
    assert "gateway.log" in said
