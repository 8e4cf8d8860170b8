"""`python -m bench`: measures, prints a line per figure, and fails when one misses its bound."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

# The servers are those of the tests.
sys.path.append(str(Path(__file__).parents[1] / "tests"))

from bench.figures import Figure
from bench.meter import load_average
from bench.suites import SUITES, Suite, run


def main(
    arguments: Sequence[str] | None = None,
    known: Sequence[Suite] = SUITES,
    program: str = "python -m bench",
) -> int:
    """0 when every bound holds, 1 when one is missed, 2 for a name that there is not."""
    parser = argparse.ArgumentParser(prog=program, description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="this figure or suite; may repeat"
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args(arguments)
    suites = _chosen(options.only, known)
    if not suites:
        names = "\n  ".join(f"{suite.name}: {', '.join(suite.figures)}" for suite in known)
        print(f"There is no such figure. There are, by suite:\n  {names}", file=sys.stderr)
        return 2
    before = load_average()
    figures = asyncio.run(run(suites, options.quick, _show))
    if options.json:
        result = {
            "figures": [figure.to_json() for figure in figures],
            "quick": options.quick,
            "load_average": {"before": before, "after": load_average()},
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    missed = [figure for figure in figures if figure.verdict == "MISS"]
    for figure in missed:
        print(f"MISS {figure.reason()}", file=sys.stderr)
    return 1 if missed else 0


def _chosen(names: list[str] | None, known: Sequence[Suite]) -> list[Suite]:
    if not names:
        return [suite for suite in known if not suite.by_name]
    return [suite for suite in known if set(names) & {suite.name, *suite.figures}]


def _show(figure: Figure) -> None:
    print(figure.line(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
