"""Runs all checks and prints one line for each."""

from __future__ import annotations

import asyncio
import os

import orjson
import typer
from rich.console import Console

from csp_controlplane.cli.doctor import machine, services
from csp_controlplane.cli.doctor.finding import Finding
from csp_controlplane.cli.instance import layout
from csp_controlplane.supervisor.errors import ExitCode
from csp_controlplane.supervisor.settings import SupervisorSettings

_MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}


def doctor(*, host: str, port: int, json_output: bool) -> int:
    """Exit code 0 unless something fails."""
    findings = asyncio.run(examine(host, port))
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for finding in findings:
        if json_output:
            typer.echo(orjson.dumps(finding).decode())
            continue
        mark, color = _MARKS[finding.level]
        console.print(mark, style=color, end=" ")
        console.print(f"{finding.name}: {finding.message}")
        if finding.advice:
            console.print(f"     {finding.advice}")
    failed = sum(finding.level == "fail" for finding in findings)
    if not json_output:
        console.print()
        console.print(f"{failed} to fix." if failed else "csp can run here: csp up")
    return ExitCode.FAILED if failed else ExitCode.OK


async def examine(host: str, port: int) -> list[Finding]:
    """All findings, in a fixed order."""
    where, settings, environment = layout(), SupervisorSettings(), dict(os.environ)
    return [
        machine.python(),
        await asyncio.to_thread(machine.cli, environment),
        *machine.embedded(environment),
        *machine.data_directory(where, settings),
        machine.memory(settings),
        machine.port(where, host, port),
        machine.page(environment),
        *await services.stores(where, environment),
        await services.model(environment),
    ]
