"""kopf's part: it runs the process, signs in, and watches pools; handlers only pass the news on.

Handlers of events keep no state in the resources: no annotations, no finalizers, no writes of
kopf's own. What they have seen is complete again after any failure, because the work is decided
from whole states.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import kopf

from csp_crds import names
from csp_operator.api.connection import login
from csp_operator.intake import Intake


class _NoDiffs(kopf.DiffBaseStorage):
    """Nothing here asks what has changed since last time, so nothing is computed or stored."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _ForEver:
    """Pauses between attempts that never end: the operator outlives an API server that is away."""

    def __iter__(self) -> Iterable[float]:
        return itertools.chain((0.2, 0.5, 1.0, 2.0), itertools.repeat(3.0))


def kopf_settings(silence_s: float) -> kopf.OperatorSettings:
    """`silence_s`: a watch that brings nothing for so long is dead."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.watching.inactivity_timeout = silence_s
    settings.watching.connect_timeout = 10.0
    settings.networking.request_timeout = 60.0
    settings.networking.error_backoffs = _ForEver()  # type: ignore[assignment]
    return settings


def registry(intake: Intake) -> kopf.OperatorRegistry:
    """The handlers, bound to where the news go."""
    made = kopf.OperatorRegistry()

    @kopf.on.login(registry=made)
    def _login(settings: kopf.OperatorSettings, **_: Any) -> kopf.ConnectionInfo:
        return login(settings)

    @kopf.on.event(names.GROUP, names.VERSION, names.POOL_PLURAL, registry=made)
    async def _pool(event: kopf.RawEvent, **_: Any) -> None:
        intake.pool(event["object"], gone=event["type"] == "DELETED")

    return made
