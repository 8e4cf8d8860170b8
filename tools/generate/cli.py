"""docs/reference/cli.md: what each command of `csp` says with --help."""

from __future__ import annotations

from collections.abc import Iterator

import typer.main
from typer.core import TyperGroup
from typer.testing import CliRunner

from csp_controlplane.cli.app import app
from generate.markdown import page
from prepare.steps import ROOT

TARGET = ROOT / "docs" / "reference" / "cli.md"
_INTRODUCTION = """\
`csp` is `.venv/bin/csp` in a checkout after `make run` or `make test`. Foreseen failures are one
sentence on standard error and an exit code other than 0."""


def main() -> None:
    parts = [_INTRODUCTION]
    for words in _commands():
        usage = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80"}, prog_name="csp")
        text = "\n".join(line.rstrip() for line in usage.output.splitlines()).strip()
        parts += [f"## {' '.join(['csp', *words])}", f"```text\n{text}\n```"]
    TARGET.write_text(page("The csp command", "csp_controlplane/cli", parts))


def _commands() -> Iterator[list[str]]:
    """`csp` itself, then each command, groups before what is in them."""
    yield []
    for name, command in typer.main.get_group(app).commands.items():
        yield [name]
        if isinstance(command, TyperGroup):
            yield from ([name, inner] for inner in command.commands)
