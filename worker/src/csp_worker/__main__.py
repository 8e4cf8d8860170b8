"""`python -m csp_worker`: one worker, configured by CSP_WORKER_* variables.

Arguments are for whoever reads a list of processes: by them a worker is told from another.
"""

from __future__ import annotations

from pydantic import ValidationError

from csp_worker import app, logs
from csp_worker.settings import WorkerSettings


def run() -> None:
    """Reads the settings and runs the worker."""
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        wrong = ", ".join(
            f"CSP_WORKER_{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}"
            for item in error.errors()
        )
        raise SystemExit(f"the worker's settings are not usable: {wrong}") from error
    fields = logs.configure(settings.log_level, settings.log_format, settings.id)
    app.main(settings, fields)


if __name__ == "__main__":
    run()
