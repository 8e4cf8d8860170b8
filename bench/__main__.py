"""`python -m bench`: measures, prints a line per figure, and fails when one misses its bound."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench import relay_cpu
from bench.figures import Figure
from bench.lab import Lab, open_lab

SUITES: dict[str, Callable[[Lab, bool], Awaitable[list[Figure]]]] = {
    "relay_cpu": relay_cpu.measure,
}


async def measure(names: list[str], quick: bool) -> list[Figure]:
    """Runs the suites one after the other over one set of servers; prints as they finish."""
    figures: list[Figure] = []
    async with open_lab() as lab:
        for name in names:
            for figure in await SUITES[name](lab, quick):
                print(figure.line(), flush=True)
                figures.append(figure)
    return figures


def main() -> int:
    """0 when every bound holds, 1 when one is missed."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    parser.add_argument("--only", choices=sorted(SUITES), action="append", help="one suite")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.only or list(SUITES), options.quick))
    if options.json:
        options.json.write_text(json.dumps([f.to_json() for f in figures], indent=2) + "\n")
    missed = [figure for figure in figures if figure.verdict == "MISS"]
    for figure in missed:
        print(figure.reason(), file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
