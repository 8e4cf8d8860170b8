"""`csp backup FILE` and `csp restore FILE`.

A backup holds the database, the signing key and the workspaces. A restore is made beside the data
directory's content and moved into place at its end, so that one that fails changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tarfile
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import asyncpg
import typer

from csp_controlplane.cli.backup import archive, dump
from csp_controlplane.cli.backup.server import embedded_server, readable_database
from csp_controlplane.cli.instance import layout
from csp_controlplane.supervisor import lock
from csp_controlplane.supervisor.errors import CommandError, ExitCode
from csp_controlplane.supervisor.layout import Layout


def backup(file: Path, *, force: bool) -> None:
    """Works while csp runs, and while it does not."""
    if file.exists() and not force:
        raise CommandError(
            f"{file} exists: choose another name, or give --force.", ExitCode.REFUSED
        )
    where = layout()
    if not os.environ.get("CSP_DATABASE_URL") and not (where.postgres / "PG_VERSION").exists():
        raise CommandError(
            f"There is nothing to back up in {where.data}: name another directory with "
            "CSP_DATA_DIR.",
            ExitCode.NOT_RUNNING,
        )
    try:
        asyncio.run(_backup(where, file))
    except asyncpg.PostgresError as error:
        raise CommandError(f"The database refused: {error}.", ExitCode.DATABASE) from error
    except OSError as error:
        raise CommandError(
            f"The backup could not be written to {file}: {error.strerror or error}."
        ) from error
    size = file.stat().st_size
    typer.echo(f"Wrote {file} ({size / 2**20:.1f} MB). It holds keys and conversations: keep it.")


async def _backup(where: Layout, file: Path) -> None:
    partial = file.with_name(f"{file.name}.partial")
    try:
        with tempfile.TemporaryDirectory(prefix="csp-backup-", dir=where.data) as scratch_name:
            scratch = Path(scratch_name)
            async with readable_database(where) as url:
                await dump.dump(url, scratch / archive.DATABASE)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with (
                os.fdopen(descriptor, "wb") as raw,
                tarfile.open(fileobj=raw, mode="w:gz", compresslevel=3) as tar,
            ):
                await asyncio.to_thread(_write, archive.Archive(tar), where, scratch)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _write(into: archive.Archive, where: Layout, scratch: Path) -> None:
    now = datetime.now(UTC).isoformat()
    into.manifest(archive.Manifest(archive.FORMAT, version("csp-controlplane"), now), scratch)
    into.add(scratch / archive.DATABASE, archive.DATABASE)
    into.add(where.keys, "keys")
    into.add(where.workspaces, "workspaces")
    into.add(where.objects, "objects")


def restore(file: Path, *, force: bool) -> None:
    """Into an empty data directory, or with --force in place of what is there."""
    where = layout()
    where.create()
    held = lock.acquire(where)
    try:
        if not force and _used(where):
            raise CommandError(
                f"The data directory {where.data} is not empty: choose another with CSP_DATA_DIR, "
                "or give --force to replace what is in it.",
                ExitCode.REFUSED,
            )
        asyncio.run(_restore(where, file, force=force))
    except (tarfile.TarError, EOFError) as error:
        raise CommandError(f"{file} is damaged, or no backup: {error}.", ExitCode.USAGE) from error
    except asyncpg.PostgresError as error:
        raise CommandError(f"The database refused: {error}.", ExitCode.DATABASE) from error
    except OSError as error:
        raise CommandError(
            f"The backup {file} could not be restored: {error.strerror or error}."
        ) from error
    finally:
        os.close(held)
    typer.echo(f"Restored {file} into {where.data}. Start it with `csp up`.")


def _used(where: Layout) -> bool:
    return where.postgres.exists() or any(where.workspaces.iterdir()) or where.signing_key.exists()


async def _restore(where: Layout, file: Path, *, force: bool) -> None:
    staging = Layout(where.data / "restoring")
    shutil.rmtree(staging.data, ignore_errors=True)
    try:
        staging.create()
        with tarfile.open(file, "r:gz") as tar:
            manifest = archive.read_manifest(tar, file)
            typer.echo(f"Backup of {manifest.created_at}, made by csp {manifest.csp_version}.")
            await asyncio.to_thread(archive.unpack, tar, staging.data)
        external = os.environ.get("CSP_DATABASE_URL")
        if external:
            await _load_external(external, staging, force=force)
        else:
            async with embedded_server(staging) as url:
                await dump.load(url, staging.data / archive.DATABASE)
        for name in ("postgres", "keys", "workspaces", "objects"):
            _replace(staging.data / name, where.data / name)
        shutil.rmtree(where.valkey, ignore_errors=True)
    finally:
        shutil.rmtree(staging.run, ignore_errors=True)
        shutil.rmtree(staging.data, ignore_errors=True)


async def _load_external(url: str, staging: Layout, *, force: bool) -> None:
    if not force and not await dump.is_empty(url):
        raise CommandError(
            "The database of CSP_DATABASE_URL is not empty: use another, or give --force to "
            "replace what is in it.",
            ExitCode.REFUSED,
        )
    await dump.load(url, staging.data / archive.DATABASE)


def _replace(source: Path, target: Path) -> None:
    if source.exists():
        shutil.rmtree(target, ignore_errors=True)
        source.replace(target)
