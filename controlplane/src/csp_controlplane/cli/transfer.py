"""`csp export` and `csp import`: sessions as files."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import orjson
import typer

from csp_controlplane.cli.connection import gateway
from csp_controlplane.supervisor.errors import CommandError, ExitCode

FORMATS = ("jsonl", "markdown", "html")
CHUNK_BYTES = 1024 * 1024


def export_session(session: str, file: Path | None, *, format_: str, force: bool) -> None:
    """Writes the file whole or not at all."""
    if format_ not in FORMATS:
        raise CommandError(
            f"There is no format {format_!r}: choose from {', '.join(FORMATS)}.", ExitCode.USAGE
        )
    if file is None:
        asyncio.run(_export(session, format_, sys.stdout.buffer))
        return
    if file.exists() and not force:
        raise CommandError(f"{file} exists: give another name, or --force.", ExitCode.USAGE)
    unfinished = file.with_name(f".{file.name}.part")
    try:
        with unfinished.open("wb") as out:
            asyncio.run(_export(session, format_, out))
        unfinished.replace(file)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}.", ExitCode.USAGE) from None
    finally:
        unfinished.unlink(missing_ok=True)
    typer.echo(f"Wrote {file} ({file.stat().st_size} bytes).", err=True)


async def _export(session: str, format_: str, out: IO[bytes]) -> None:
    async with (
        gateway("csp export") as target,
        target.stream("GET", f"/sessions/{session}/export", params={"format": format_}) as answer,
    ):
        async for chunk in answer.aiter_bytes():
            out.write(chunk)


def import_session(file: Path, *, agent: str | None) -> None:
    """Prints the new session's id."""
    with ExitStack() as stack:
        if str(file) == "-":
            source: IO[bytes] = sys.stdin.buffer
        else:
            try:
                source = stack.enter_context(file.open("rb"))
            except OSError as error:
                message = f"{file} cannot be read: {error.strerror}."
                raise CommandError(message, ExitCode.USAGE) from None
        typer.echo(asyncio.run(_import(source, agent)))


async def _import(source: IO[bytes], agent: str | None) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        while chunk := await asyncio.to_thread(source.read, CHUNK_BYTES):
            yield chunk

    params = {"agent": agent} if agent is not None else {}
    async with (
        gateway("csp import") as target,
        target.stream("POST", "/sessions/import", params=params, content=chunks()) as answer,
    ):
        session: str = orjson.loads(await answer.aread())["id"]
    return session
