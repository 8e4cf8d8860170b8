"""Logs carry what a line belongs to and never a secret, whoever wrote the line."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from csp_controlplane.logging_setup import configure_logging
configure_logging("gateway")
log = structlog.get_logger("csp.test")
with structlog.contextvars.bound_contextvars(session="sesn_1", user="user_1", correlation="c_1"):
    log.info("bound", api_key="k-secret", input_tokens=3, nested={"proxy_handle": "h-secret"})
    logging.getLogger("uvicorn.error").warning("from %s at %s", "uvicorn",
        "postgresql://u:p-secret@host/db")
    logging.getLogger("uvicorn.access").info("GET /login?token=t-secret")
    logging.getLogger("other").info("see /login?token=t-secret&x=1")
    try:
        raise RuntimeError("no redis://:r-secret@host")
    except RuntimeError:
        log.exception("failed")
"""


def _run(format_: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"CSP_LOG_FORMAT": format_},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stderr


def test_json_lines_carry_context_and_hide_secrets() -> None:
    output = _run("json")
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["message"] for line in lines] == [
        "bound",
        "from uvicorn at postgresql://u:[redacted]@host/db",
        "see /login?token=[redacted]&x=1",
        "failed",
    ]
    for line in lines:
        assert line["session"] == "sesn_1"
        assert line["user"] == "user_1"
        assert line["correlation"] == "c_1"
        assert line["component"] == "gateway"
    assert lines[0]["input_tokens"] == 3
    assert lines[0]["nested"] == {"proxy_handle": "[redacted]"}
    assert lines[3]["level"] == "error"
    assert "-secret" not in output


def test_the_console_form_hides_secrets_too() -> None:
    output = _run("console")
    assert "bound" in output
    assert "-secret" not in output
