"""`python -m csp_operator`: one replica, configured by CSP_OPERATOR_* variables."""

from __future__ import annotations

import uvloop
from pydantic import ValidationError

from csp_operator import app, logs
from csp_operator.settings import OperatorSettings


def main() -> None:
    """Reads the settings and runs the operator."""
    try:
        settings = OperatorSettings()
    except ValidationError as error:
        wrong = ", ".join(
            f"CSP_OPERATOR_{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}"
            for item in error.errors()
        )
        raise SystemExit(f"the operator's settings are not usable: {wrong}") from error
    logs.configure(settings.log_level, settings.log_format)
    uvloop.run(app.run(settings))


if __name__ == "__main__":
    main()
