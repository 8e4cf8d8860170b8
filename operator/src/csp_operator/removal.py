"""`python -m csp_operator.removal`: ends the operator's pods once the operator itself is gone.

A claimed pod is its session's and outlives the release, because AgentSessions do: nobody would look
after it any more. The chart runs this when everything else of the release is deleted, the
operator's rights with it, so that no pod is made in the place of one that ends.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from csp_crds import names
from csp_operator.api.client import KubeApi
from csp_operator.api.connection import Connection, login
from csp_operator.api.errors import ApiError, Away, Conflict, NotFound
from csp_operator.api.resources import PODS
from csp_operator.clock import ServerClock
from csp_operator.handlers import kopf_settings
from csp_operator.metrics import OperatorMetrics
from csp_operator.settings import OperatorSettings

_ATTEMPTS = 20
_PAUSE_S = 3.0
_MADE_HERE = f"app.kubernetes.io/managed-by={names.OPERATOR_MANAGER}"


async def remove(api: KubeApi, namespaces: Sequence[str]) -> int:
    """Asks each pod that the operator made to end, and says how many there were. A worker gets its
    usual time to end a turn. Raises ApiError."""
    ended = 0
    for namespace in namespaces:
        for pod in (await api.list(PODS, namespace, labels=_MADE_HERE)).items:
            meta = pod["metadata"]
            if meta.get("deletionTimestamp"):
                continue
            try:
                await api.delete(PODS, namespace, meta["name"], uid=meta["uid"])
            except (NotFound, Conflict):
                continue
            ended += 1
    return ended


async def _run(settings: OperatorSettings) -> int:
    watching = kopf_settings(settings.watch_silence_seconds)
    connection = Connection(lambda: login(watching))
    # Nobody leads any more.
    api = KubeApi(connection, ServerClock(), OperatorMetrics(), lambda: True)
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                ended = await remove(api, settings.namespaces)
            except Away as error:
                sys.stderr.write(f"attempt {attempt} of {_ATTEMPTS}: {error}\n")
                await asyncio.sleep(_PAUSE_S)
            else:
                sys.stdout.write(f"{ended} pods of sessions and pools end\n")
                return 0
    except ApiError as error:
        sys.stderr.write(f"the API server refuses: {error}\n")
    finally:
        await connection.close()
    return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(_run(OperatorSettings())))
