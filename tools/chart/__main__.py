"""`python -m chart`: everything that must hold for the chart without a cluster."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

from chart import hardening, programs, reach
from chart.rendering import VARIANTS, RenderingFailed


def _over_variants(check: Callable[..., Iterable[str]]) -> Callable[[], Iterable[str]]:
    return lambda: (f"{v.name}: {problem}" for v in VARIANTS for problem in check(v))


CHECKS: dict[str, Callable[[], Iterable[str]]] = {
    "helm lint": programs.helm_lint,
    "values and their schema": programs.values_fit_the_schema,
    "kubernetes-validate": programs.kubernetes_validate,
    "what may reach what": _over_variants(reach.problems),
    "pods, secrets and rights": _over_variants(hardening.problems),
    "promtool": programs.promtool,
    "checkov": programs.checkov,
}


def main() -> int:
    """0 when nothing was found."""
    found = 0
    for name, check in CHECKS.items():
        began = time.monotonic()
        try:
            problems = list(check())
        except RenderingFailed as error:
            problems = [str(error)]
        found += len(problems)
        state = f"{len(problems)} problems" if problems else "clean"
        print(f"chart: {name}: {state} ({time.monotonic() - began:.1f} s)")
        for problem in problems:
            print(f"  {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
