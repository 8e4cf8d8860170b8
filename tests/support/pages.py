"""The commands of a how-to page, so that each of them is run by a test.

A block of a page is fenced as ```sh GROUP. Groups say what a block needs and when it comes:
`install`, `upgrade` and so on in the page's order, on a node; `render` and `production` need none.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prepare.steps import ROOT
from support.processes import ServerProcess

OPERATE = ROOT / "docs" / "how-to" / "operate-on-kubernetes.md"
_BASH = ("/bin/bash", "-euo", "pipefail", "-c")
_BLOCK = re.compile(
    r"^(?P<indent> *)```sh *(?P<group>[\w-]*)\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S
)


@dataclass(frozen=True, slots=True)
class Block:
    """Commands that are run together, by one shell."""

    group: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.group} (line {self.line})"


def blocks(page: Path = OPERATE, *groups: str) -> list[Block]:
    """In the page's order; all of them, or those of the groups."""
    text = page.read_text()
    found = []
    for match in _BLOCK.finditer(text):
        indent = match["indent"]
        lines = [line.removeprefix(indent) for line in match["text"].splitlines()]
        where = text.count("\n", 0, match.start()) + 1
        found.append(Block(match["group"], "\n".join(lines), where))
    return [block for block in found if not groups or block.group in groups]


class Shell:
    """Runs blocks as a person would, in the repository's root."""

    def __init__(
        self,
        folder: Path,
        *,
        kubectl: Path,
        helm: Path,
        environment: Mapping[str, str],
        values: Path | None = None,
        helm_options: Sequence[str] = (),
    ) -> None:
        """`values`: a file that is added to each helm install and upgrade, because a test's
        images and sizes are its own."""
        programs = folder / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        extra = [*helm_options, *(["--values", str(values)] if values else [])]
        # Files that a block writes land in the test's folder; what it reads from the repository
        # is there by a link.
        for name in ("charts", "docs"):
            (folder / name).symlink_to(ROOT / name)
        _wrap(programs / "kubectl", kubectl, ())
        _wrap(programs / "helm", helm, extra)
        self.folder = folder
        self._environment = {
            **os.environ,
            **environment,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
        }

    def run(self, block: Block, timeout: float = 900) -> str:
        """What the block printed. Fails with what it said on standard error."""
        done = subprocess.run(
            [*_BASH, block.text],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{block}:\n{block.text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, block: Block, log: Path) -> ServerProcess:
        """The block in the background, for commands that a person ends. Stop it."""
        return ServerProcess(
            [*_BASH, block.text], log=log, environment=self._environment, directory=self.folder
        )


def _wrap(target: Path, program: Path, extra: Sequence[str]) -> None:
    options = shlex.join(extra)
    added = f'case "$1" in install|upgrade) set -- "$@" {options};; esac\n' if extra else ""
    target.write_text(f'#!/bin/sh\n{added}exec {shlex.quote(str(program))} "$@"\n')
    target.chmod(0o755)
