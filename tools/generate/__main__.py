"""`make generate` and `make lock`: everything in the tree that has its source elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable

from generate import api, chart, cli, crds, errors, lock, metrics, network, proto, settings
from generate.monitoring import files as monitoring

GENERATORS: list[Callable[[], None]] = [
    proto.main,
    crds.main,
    chart.main,
    monitoring.main,
    settings.main,
    errors.main,
    metrics.main,
    network.main,
    api.main,
    cli.main,
]

if sys.argv[1:] == ["lock"]:
    lock.main()
else:
    for generator in GENERATORS:
        generator()
