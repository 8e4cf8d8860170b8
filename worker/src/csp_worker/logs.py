"""Log lines of a worker: a constant message plus fields, one JSON object a line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog
from structlog.typing import EventDict

Fields = dict[str, str | int | None]


def configure(level: str, form: str, worker_id: str) -> Fields:
    """Once, at the start; the SDK's own lines go the same way.

    Returns the fields that every line carries. The session's are added to it when it is bound:
    context variables would only reach tasks that start later, and the CLI's stderr is read by one
    that is older.
    """
    fields: Fields = {"component": "worker", "worker_id": worker_id}

    def add_fields(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {**{k: v for k, v in fields.items() if v is not None}, **event}

    shared: list[structlog.typing.Processor] = [
        add_fields,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if form == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for talkative in ("grpc", "asyncio"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    # It logs every line that is no JSON, and each death as an error: both are said better here.
    logging.getLogger("claude_agent_sdk").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return fields


@contextmanager
def lines_with(fields: Fields, more: Mapping[str, str | None]) -> Iterator[None]:
    """Every line carries more while this lasts, the CLI's stderr too."""
    before = {name: fields.get(name) for name in more}
    fields.update(more)
    try:
        yield
    finally:
        fields.update(before)
