"""Running the programs of a step: quiet when it works, with the reason when it does not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
LOG = CACHE / "prepare.log"


class StepFailed(Exception):
    """A step cannot go on; the text says what happened and what to do."""


def say(text: str) -> None:
    """Progress goes to standard error: standard output belongs to the command that follows."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    say(f"csp: {name} ...")
    start = time.monotonic()
    yield
    say(f"csp: {name}: done in {time.monotonic() - start:.0f} s")


def run(
    arguments: Sequence[str | Path],
    *,
    hint: str,
    directory: Path = ROOT,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Runs a program, its output in the log. Raises StepFailed with the log's end and `hint`."""
    CACHE.mkdir(exist_ok=True)
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(map(str, arguments))}\n".encode())
        log.flush()
        start = log.tell()
        done = subprocess.run(
            [str(argument) for argument in arguments],
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    if done.returncode != 0:
        with LOG.open("rb") as log:
            log.seek(start)
            tail = log.read().decode(errors="replace").splitlines()[-25:]
        raise StepFailed("\n".join([*tail, "", hint, f"The whole output is in {LOG}."]))
