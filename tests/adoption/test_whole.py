"""Sessions from resource to answer: real operator, workers, CLI and proxy, scripted model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio

from csp_controlplane.domain.principal import Principal
from csp_controlplane.store import checkpoints
from csp_controlplane.store.database import Database
from csp_crds import names
from support.apiserver import ApiServer
from support.cluster import Cluster, running_cluster
from support.heard import heard
from support.kube import SESSIONS, Object, condition, is_true, session
from support.models import body, post
from support.planes import ADDRESS, ALICE, TENANT, Plane, Planes
from support.processes import ServerProcess, free_port
from support.waiting import wait_until
from support.worker_client import MODEL, say, script, tool

if TYPE_CHECKING:
    from conftest import ScriptedModel

pytestmark = pytest.mark.timeout(900)  # real workers, maybe on a busy machine
WHO = Principal(TENANT, ALICE)
FREE = {"defaultPermission": "allow", "permissions": {}, "model": MODEL}
LONG_S = 240.0


@dataclass
class Whole:
    """A cluster and one gateway core on it."""

    cluster: Cluster
    planes: Planes
    plane: Plane
    proxy: str
    """The model proxy's address."""

    async def apply(self, name: str, **spec: Any) -> Object:
        await self.cluster.until_warm()
        body = session(name, ADDRESS, **{"agent": FREE, **spec})
        return await self.cluster.kube.create(SESSIONS, body)

    async def until(self, name: str, holds: Any, what: str = "") -> Object:
        return await self.cluster.kube.until(SESSIONS, name, holds, LONG_S, what)

    async def ask(self, session_id: str, *steps: Any) -> None:
        text = [{"type": "text", "text": script(*steps)}]
        event = {"type": "user.message", "content": text}
        await self.plane.service.send(
            WHO, session_id, [event], client_id=None, request_hash=None, is_retry=False
        )

    async def texts(self, session_id: str, type_: str) -> list[dict[str, Any]]:
        events = (await self.plane.service.events(WHO, session_id, limit=200, types=[type_])).events
        return [json.loads(event.raw) for event in events]

    async def turns(self, session_id: str, count: int) -> list[dict[str, Any]]:
        """The ends of the first turns."""

        async def ended() -> list[dict[str, Any]] | None:
            found = await self.texts(session_id, "span.turn_end")
            return found if len(found) >= count else None

        found = await wait_until(ended, LONG_S, f"{count} turn(s) being over")
        return found or []


@pytest.fixture
async def whole(
    db: Database,
    database_url: str,
    redis_url: str,
    api_server: ApiServer,
    people: None,
    scripted_model: ScriptedModel,
    tmp_path: Path,
) -> AsyncIterator[Whole]:
    port = free_port()
    proxy = ServerProcess.module(
        "csp_controlplane.proxy",
        log=tmp_path / "proxy.log",
        environment={
            "CSP_PROXY_HOST": "127.0.0.1",
            "CSP_PROXY_PORT": str(port),
            "CSP_PROXY_UPSTREAM_URL": scripted_model.base_url,
            "CSP_PROXY_API_KEY": "the-real-key",
            "CSP_DATABASE_URL": database_url,
            "CSP_REDIS_URL": redis_url,
        },
    )
    client = redis.asyncio.from_url(redis_url, socket_timeout=None)
    url = f"http://127.0.0.1:{port}"
    with proxy:
        proxy.wait_listening(port)
        async with running_cluster(api_server, tmp_path, url) as cluster:
            await cluster.add_pool(1)
            planes = Planes(db, client, api_server, cluster.namespace, cluster.signing_key)
            async with planes.stack:
                yield Whole(cluster, planes, await planes.start(), url)
    await client.aclose()


async def test_a_prompt_runs_with_nobody_watching_and_its_answer_comes_back(whole: Whole) -> None:
    text = script(tool("Bash", command="echo made > made.txt"), say("The file is there."))
    await whole.apply("one", prompt={"text": text})

    def told(found: Object) -> bool:
        status = found.get("status") or {}
        done = not is_true("TurnActive")(found) and float(status.get("cost") or 0) > 0
        return done and status.get("result") == "The file is there."

    found = await whole.until("one", told, "result and cost")
    assert is_true("Ready")(found)
    assert found["status"]["claudeSessionId"]
    assert found["status"]["lastActivity"]
    (result,) = await whole.texts(found["status"]["sessionId"], "agent.tool_result")
    assert not result["is_error"]


async def test_files_and_conversation_outlive_the_pod(whole: Whole, db: Database) -> None:
    await whole.apply("one", prompt={"text": script(tool("Bash", command="echo kept > file"))})
    found = await whole.until("one", is_true("Ready"))
    session_id = found["status"]["sessionId"]
    await whole.turns(session_id, 1)

    async def saved() -> bool:
        return await checkpoints.newest(db, TENANT, session_id) is not None

    await wait_until(saved, 30, "the working directory being kept")
    first = (await whole.until("one", is_true("Bound")))["status"]["pod"]["uid"]
    whole.cluster.kubelet.kill(first)

    def replaced(found: Object) -> bool:
        pod = (found.get("status") or {}).get("pod") or {}
        return pod.get("uid") not in (None, first) and is_true("Ready")(found)

    await whole.until("one", replaced, "another pod")
    await whole.ask(session_id, tool("Bash", command="cat file"))
    await whole.turns(session_id, 2)
    results = await whole.texts(session_id, "agent.tool_result")
    assert results[-1]["content"][0]["text"].strip() == "kept"
    codes = [notice["code"] for notice in await whole.texts(session_id, "session.notice")]
    assert "worker_lost" in codes
    assert "workspace_lost" not in codes


async def test_a_pod_that_is_drained_in_mid_turn_keeps_what_the_turn_has_made(whole: Whole) -> None:
    work = tool("Bash", command="echo kept > file && sleep 2")
    await whole.apply("one", prompt={"text": script(work, say("done"))})
    found = await whole.until("one", is_true("Ready"))
    session_id, uid = found["status"]["sessionId"], found["status"]["pod"]["uid"]
    file = whole.cluster.kubelet.workspaces(uid) / session_id / "file"
    await wait_until(file.exists, LONG_S, "the file")
    os.kill(whole.cluster.kubelet.pid_of(uid), signal.SIGTERM)
    assert (await whole.turns(session_id, 1))[0]["outcome"] == "completed"
    await whole.ask(session_id, tool("Bash", command="cat file"))
    await whole.turns(session_id, 2)
    results = await whole.texts(session_id, "agent.tool_result")
    assert results[-1]["content"][0]["text"].strip() == "kept"
    codes = {notice["code"] for notice in await whole.texts(session_id, "session.notice")}
    assert not codes & {"worker_lost", "workspace_lost", "workspace_restored"}


async def test_a_resource_that_forks_begins_with_files_and_conversation(
    whole: Whole, scripted_model: ScriptedModel
) -> None:
    made = "My name is Ada. " + script(tool("Bash", command="echo kept > file"), say("Hello Ada"))
    await whole.apply("one", prompt={"text": made})
    first = (await whole.until("one", is_true("Ready")))["status"]["sessionId"]
    await whole.turns(first, 1)
    asked = "Who am I? " + script(tool("Bash", command="cat file"), say("Ada"))
    await whole.apply("two", forkFrom={"sessionId": first}, prompt={"text": asked})
    fork = (await whole.until("two", is_true("Ready")))["status"]["sessionId"]
    await whole.turns(fork, 2)
    results = await whole.texts(fork, "agent.tool_result")
    assert results[-1]["content"][0]["text"].strip() == "kept"
    known = await heard(scripted_model.base_url, "Who am I?")
    assert "My name is Ada." in known
    assert "Hello Ada" in known


async def test_files_over_the_limit_are_lost_and_the_log_says_so(whole: Whole) -> None:
    await whole.planes.stack.aclose()
    whole.plane = await whole.planes.start("small", workspace_bytes=1024)
    big = tool("Bash", command="head -c 5000 /dev/urandom > file")
    await whole.apply("one", prompt={"text": script(big)})
    found = await whole.until("one", is_true("Ready"))
    session_id = found["status"]["sessionId"]
    await whole.turns(session_id, 1)

    async def warned() -> bool:
        notices = await whole.texts(session_id, "session.notice")
        return "workspace_not_saved" in [notice["code"] for notice in notices]

    await wait_until(warned, 30, "the warning")
    whole.cluster.kubelet.kill(found["status"]["pod"]["uid"])
    await whole.ask(session_id, say("back"))
    await whole.turns(session_id, 2)
    codes = [notice["code"] for notice in await whole.texts(session_id, "session.notice")]
    assert "workspace_lost" in codes


async def test_an_idle_session_gives_its_pod_back_and_wakes_with_its_files(whole: Whole) -> None:
    await whole.apply(
        "one",
        prompt={"text": script(tool("Bash", command="echo kept > file"))},
        lifecycle={"idleTimeout": "3s"},
    )
    found = await whole.until("one", is_true("Ready"))
    session_id = found["status"]["sessionId"]
    await whole.turns(session_id, 1)
    rested = await whole.until("one", is_true("Suspended"), "the session being paused")
    assert rested["metadata"]["annotations"][names.PAUSED] == "true"
    assert "pod" not in rested["status"]

    async def given_back() -> bool:
        pods = await whole.cluster.kube.pods(session=rested["metadata"]["uid"])
        return all("deletionTimestamp" in pod["metadata"] for pod in pods)

    await wait_until(given_back, LONG_S, "the end of the pod, which follows its status")
    await whole.ask(session_id, tool("Bash", command="cat file"))
    await whole.turns(session_id, 2)
    results = await whole.texts(session_id, "agent.tool_result")
    assert results[-1]["content"][0]["text"].strip() == "kept"


async def test_a_turn_lives_through_the_loss_of_a_gateway(whole: Whole) -> None:
    second = await whole.planes.start("second")
    slow = script(say("word ", n=60, chunk_delay=0.1))
    await whole.apply("one", prompt={"text": slow})
    await whole.until("one", is_true("TurnActive"))
    await asyncio.sleep(0.5)
    first_runtime = whole.plane.runtime
    await first_runtime.mirror.stop()
    whole.plane = second
    found = await whole.until("one", lambda r: bool((r.get("status") or {}).get("result")))
    assert condition(found, "TurnActive")["status"] == "False"
    (end,) = await whole.turns(found["status"]["sessionId"], 1)
    assert end["outcome"] == "completed"


async def test_a_handle_that_an_agent_stole_ends_with_its_session(whole: Whole) -> None:
    """Whatever is in a worker is the agent's, and so the attacker's."""
    steal = script(tool("Bash", command='printf "%s" "$ANTHROPIC_API_KEY"'))
    await whole.apply("one", prompt={"text": steal})
    found = await whole.until("one", is_true("Ready"))
    session_id = found["status"]["sessionId"]
    await whole.turns(session_id, 1)
    (result,) = await whole.texts(session_id, "agent.tool_result")
    handle = result["content"][0]["text"].strip()

    async def answer() -> int:
        async with post(whole.proxy, handle, body("still there?")) as response:
            return response.status

    assert await answer() == 200
    await whole.cluster.kube.delete(SESSIONS, "one")

    async def refused() -> bool:
        return await answer() == 401

    await wait_until(refused, LONG_S, "the handle being refused")
