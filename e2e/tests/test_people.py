"""A person with a browser, through a reverse proxy, and two replicas that serve one session."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, expect

from e2e.installation import NAMESPACE, Installation
from e2e.node import packages
from e2e.proxy import ReverseProxy
from e2e.sessions import KIND, name_of, pod_of, resource, until_condition, watching
from support.play import bash, say, script, slow
from support.viewer import Viewer
from support.visitor import Visitor


async def test_a_person_chats_through_a_reverse_proxy_and_a_tool_runs_in_the_pod(
    installation: Installation, browser: Browser
) -> None:
    packages.install(("haproxy",))
    with ReverseProxy(installation) as proxy:
        profile = await browser.new_context(locale="en-GB")
        visitor = Visitor(await profile.new_page(), proxy.url)
        visitor.listen()
        await visitor.follow(f"{proxy.url}/login?{installation.sign_in_link().partition('?')[2]}")
        await expect(visitor.composer).to_be_visible(timeout=30_000)
        session_id = await visitor.start(
            script(bash("echo made in $(hostname) > made.txt; cat made.txt"), say("It is there."))
        )
        await visitor.allow()
        await visitor.settled()
        pod = pod_of(installation, session_id)
        card = await visitor.expand("Bash")
        await expect(card).to_contain_text(f"made in {pod['name']}")
        folder = f"/workspace/{session_id}/made.txt"
        assert pod["name"] in installation.csp("exec", pod["name"], "--", "cat", folder)
        assert visitor.complaints == []
        await profile.close()
    async with installation.client() as client:
        assert (await client.delete(f"/sessions/{session_id}")).status_code == 200


async def test_a_session_born_by_kubectl_is_opened_in_the_page(
    installation: Installation, browser: Browser, tmp_path: Path
) -> None:
    """By the way that the operators' page shows: a link, and a port that is forwarded."""
    installation.apply(resource("born", prompt=script(say("Born on the cluster."))))
    await until_condition(installation, "born", "Ready", deadline=120)
    found = await until_condition(installation, "born", "TurnActive", "False")
    link = installation.csp("exec", "deploy/csp-gateway", "--", "csp", "login").strip()
    address = urlsplit(link)
    assert address.port is not None, link
    forward = ("port-forward", "service/csp-gateway", str(address.port))
    log = tmp_path / "forward.log"
    with installation.follow("-n", NAMESPACE, *forward, log=log) as forwarded:
        await asyncio.to_thread(forwarded.wait_listening, address.port)
        profile = await browser.new_context(locale="en-GB")
        visitor = Visitor(await profile.new_page(), f"{address.scheme}://{address.netloc}")
        visitor.listen()
        await visitor.follow(link)
        await expect(visitor.composer).to_be_visible(timeout=30_000)
        await visitor.open(found["status"]["sessionId"])
        await expect(visitor.kind("answer").last).to_have_text("Born on the cluster.")
        await visitor.turn(script(say("And gone on with in the page.")))
        await expect(visitor.kind("answer").last).to_have_text("And gone on with in the page.")
        assert visitor.complaints == []
        await profile.close()
    installation.csp("delete", KIND, "born", "--wait=true")


async def test_two_replicas_show_the_same_session_at_the_same_time(
    installation: Installation,
) -> None:
    first, second = installation.gateways()[:2]
    url = f"http://{installation.pod_address(first, 8400)}"
    other = f"http://{installation.pod_address(second, 8400)}"
    async with watching(installation, url=url) as viewer:
        beside = Viewer(other, viewer.session_id, installation.headers)
        await beside.connect()
        message = await viewer.say(script(slow(100, pause=0.05, word="tick ")))
        await beside.partial(20, deadline=120)
        await viewer.turn_end(message, deadline=120)
        await beside.turn_end(message)
        said = await beside.say(script(say("From the other side.")))
        await viewer.turn_end(said)
        await beside.turn_end(said)
        assert viewer.facts == beside.facts
        await beside.close()


async def test_a_session_made_through_the_api_is_a_resource_that_ends_with_it(
    installation: Installation,
) -> None:
    async with watching(installation) as viewer:
        await viewer.turn(script(say("hello")), deadline=120)
        name = name_of(viewer.session_id)
        found = installation.get(KIND, name)
        assert found["metadata"]["labels"]["sessionplane.io/origin"] == "api"
        assert found["status"]["sessionId"] == viewer.session_id
    installation.csp("wait", "--for=delete", f"{KIND}/{name}", "--timeout=60s")
