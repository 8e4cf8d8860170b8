"""Sessions in a cluster: as resources, and as somebody sees them through the API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from e2e.installation import NAMESPACE, OWNER, Installation
from support.play import log_of as read_log
from support.play import new_session, settled
from support.viewer import Event, Viewer
from support.waiting import wait_until

KIND = "agentsession"
Resource = dict[str, Any]


def resource(name: str, *, prompt: str | None = None, **spec: Any) -> Resource:
    """An AgentSession of the first user. `spec` in the resource's spelling."""
    if prompt is not None:
        spec["prompt"] = {"text": prompt, **spec.get("prompt", {})}
    return {
        "apiVersion": "sessionplane.io/v1alpha1",
        "kind": "AgentSession",
        "metadata": {"name": name},
        "spec": {"owner": OWNER, **spec},
    }


def condition(found: Resource, type_: str) -> Resource:
    """A condition of a resource; empty when it has none of this type."""
    conditions = found.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == type_), {})


async def until_condition(
    installation: Installation,
    name: str,
    type_: str,
    status: str = "True",
    deadline: float = 90,
    namespace: str = NAMESPACE,
) -> Resource:
    """The session's resource once the condition has that status."""

    def seen() -> Resource | None:
        found: Resource = installation.get(KIND, name, "-n", namespace)
        return found if condition(found, type_).get("status") == status else None

    found = await wait_until(seen, deadline, f"{type_}={status} of {name}", interval=0.3)
    assert found is not None
    return found


def name_of(session_id: str) -> str:
    """The resource of a session that was made through the API."""
    return session_id.replace("_", "-").lower()


def pod_of(installation: Installation, session_id: str) -> Resource:
    """The pod that is the session's worker: name, uid, ip."""
    pod: Resource = installation.get(KIND, name_of(session_id))["status"]["pod"]
    return pod


def pods(installation: Installation, state: str) -> list[Resource]:
    """Worker pods that are warm or claimed, without those that are on their way out."""
    found = installation.get("pods", "-l", f"sessionplane.io/state={state}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


@asynccontextmanager
async def watching(
    installation: Installation, *, url: str | None = None, **agent: Any
) -> AsyncIterator[Viewer]:
    """A viewer of a new session. In the end all that it was shown must be the log, and no turn,
    question or queued message may be left over."""
    async with installation.client() as client:
        session = await new_session(client, **agent)
        viewer = Viewer(url or installation.url, session, installation.headers)
        await viewer.connect()
        try:
            yield viewer
            await settled(viewer, client)
        finally:
            await viewer.close()
            # Also after a failure: its pod would be in the way of the tests that follow.
            answer = await client.delete(f"/sessions/{session}")
        assert answer.status_code == 200, answer.text


async def another_pod(installation: Installation, name: str, old_uid: str) -> str:
    """The UID of the pod that the session is Ready in after it lost that one."""

    def found() -> str | None:
        session = installation.get(KIND, name)
        pod = session["status"].get("pod") or {}
        ready = condition(session, "Ready").get("status") == "True"
        return pod["uid"] if ready and pod.get("uid") not in (None, old_uid) else None

    uid = await wait_until(found, 120, f"{name} being Ready in another pod", interval=0.3)
    assert uid is not None
    return uid


def ended(viewer: Viewer, message: Event) -> Event | None:
    """The end of the message's turn, if it has been shown."""
    ends = (e for e in viewer.of("span.turn_end") if message["id"] in e["message_ids"])
    return next(ends, None)


async def followed(viewer: Viewer, message: Event, deadline: float = 180) -> Event:
    """The end of the message's turn, over as many connections as it takes."""
    async with asyncio.timeout(deadline):
        while (end := ended(viewer, message)) is None:
            if viewer.closed is not None:
                await viewer.connect(deadline=60)
            await viewer.until(
                lambda: viewer.closed is not None or ended(viewer, message) is not None,
                f"the end of the turn of {message['id']}",
                deadline,
            )
    return end


async def allowed(viewer: Viewer, after: int = 0) -> None:
    """The tool that is asked for beyond this seq is allowed."""
    await viewer.answer(await viewer.fact("agent.tool_use", after=after, deadline=180))


def results(viewer: Viewer) -> list[str]:
    """What the tools that were run have said, in order."""
    contents = [event["content"] for event in viewer.of("agent.tool_result")]
    return ["".join(block.get("text", "") for block in content) for content in contents]


async def log_of(installation: Installation, session_id: str) -> list[dict[str, Any]]:
    """The whole log."""
    async with installation.client() as client:
        return await read_log(client, session_id)


def database_log(installation: Installation, session_id: str) -> list[bytes]:
    """The session's events as PostgreSQL holds them, byte for byte, in order."""
    query = (
        "copy (select encode(convert_to(payload::text, 'UTF8'), 'hex') from events "
        f"where session_id = '{session_id}' order by seq) to stdout"
    )
    return [bytes.fromhex(line) for line in sql(installation, query)]


def sql(installation: Installation, statements: str) -> list[str]:
    """What PostgreSQL's owner is answered, of every tenant."""
    psql = "PATH=$PATH:$(echo /usr/lib/postgresql/*/bin) psql -h /tmp -U csp -d csp -Atc"
    shell = ("/bin/sh", "-c", f'{psql} "{statements}"')
    return installation.csp("exec", "csp-postgresql-0", "--", *shell).splitlines()


async def shown_is_stored(installation: Installation, viewer: Viewer) -> None:
    """Raises AssertionError unless the viewer was shown all that PostgreSQL holds by now."""
    stored = [json.loads(event) for event in database_log(installation, viewer.session_id)]
    await viewer.until(lambda: viewer.seq >= len(stored), "what the database holds")
    assert viewer.facts[: len(stored)] == stored
