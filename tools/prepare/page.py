"""The page's packages and its build, each made again only when what goes in has changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prepare import node, stamps
from prepare.steps import ROOT, run, step

FRONTEND = ROOT / "frontend"
DIST = FRONTEND / "dist"
_MODULES = FRONTEND / "node_modules"
_NOT_INPUT = {"node_modules", "dist", "coverage", ".vite", "test-results", "__screenshots__"}


def prepare_packages() -> str:
    """Installs the locked packages; returns the PATH with node on it."""
    search_path = node.path()
    wanted = stamps.digest([FRONTEND / "package.json", FRONTEND / "package-lock.json"])
    stamp = _MODULES / ".csp-stamp"
    if not stamps.is_current(stamp, wanted):
        with step("installing the page's packages"):
            run(
                ["npm", "ci", "--no-audit", "--no-fund"],
                hint="The page's packages could not be installed. Check the network and npm's "
                "registry setting; then run the command again.",
                directory=FRONTEND,
                environment={"PATH": search_path},
            )
        stamps.write(stamp, wanted)
    return search_path


def prepare() -> None:
    """Builds the page into frontend/dist."""
    stamp = DIST / ".csp-stamp"
    wanted = stamps.digest(_inputs(FRONTEND))
    if stamps.is_current(stamp, wanted):
        return
    search_path = prepare_packages()
    with step("building the page"):
        run(
            ["npm", "run", "build"],
            hint="The page could not be built.",
            directory=FRONTEND,
            environment={"PATH": search_path},
        )
    stamps.write(stamp, wanted)


def _inputs(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name in _NOT_INPUT or entry.suffix == ".tsbuildinfo":
            continue
        if entry.is_dir():
            yield from _inputs(entry)
        else:
            yield entry
