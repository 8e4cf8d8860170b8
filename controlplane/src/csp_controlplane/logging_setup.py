"""One way of logging for every process of the control plane.

A line is a constant message plus fields. What a line belongs to (session, user, correlation id) is
bound once with `structlog.contextvars.bound_contextvars` and appears on all lines logged inside.
The standard library's loggers, uvicorn's among them, come out in the same form. Values of fields
that are named like secrets never leave the process.
"""

from __future__ import annotations

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from csp_controlplane.settings import LogSettings

REDACTED = "[redacted]"
# `key` and `token` must end the word: `keyboard` and the counter `input_tokens` are no secrets.
_SECRET_NAME = re.compile(
    r"(^|_|-)(api_?key|key|token|handle|password|secret|authorization|cookie)$", re.IGNORECASE
)
# Addresses with a password in them, such as a database's, can be part of any text.
_CREDENTIALS = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/@]+@", re.IGNORECASE)
# One-time sign-in links put their token into the query.
_QUERY_TOKEN = re.compile(r"(?P<name>[?&](?:token|key)=)[^\s&\"']+", re.IGNORECASE)


def configure_logging(component: str, settings: LogSettings | None = None) -> None:
    """Sets up this process's logging; called once, first thing in its entry.

    `component` (gateway, proxy, supervisor, ...) is on every line.
    """
    settings = settings or LogSettings()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _add_component(component),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(settings),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    _route_uvicorn()


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces the values of secret fields, at any depth, and credentials inside texts."""
    return {name: _clean(name, value) for name, value in event.items()}


def _clean(name: str, value: object) -> object:
    if _SECRET_NAME.search(name):
        return REDACTED
    if isinstance(value, dict):
        return {inner: _clean(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", item) for item in value]
    if isinstance(value, str):
        return _QUERY_TOKEN.sub(
            rf"\g<name>{REDACTED}", _CREDENTIALS.sub(rf"\g<scheme>:{REDACTED}@", value)
        )
    return value


def _rendering(settings: LogSettings) -> list[Processor]:
    # Tracebacks become text first, so that redaction sees them too.
    before: list[Processor] = [structlog.processors.format_exc_info, redact]
    if settings.format == "console":
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        return [*before, renderer]
    return [
        *before,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(ensure_ascii=False, default=repr),
    ]


def _add_component(component: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["component"] = component
        return event

    return add


def _route_uvicorn() -> None:
    """uvicorn brings handlers of its own; its access log repeats what the gateway measures."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    # Libraries that log each request at info would drown the state changes.
    for name in ("httpx", "httpcore", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
