"""The model refuses, breaks off or is out of reach: what the person reads, and how it goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.casualties import kill, replaced
from support.choke import Choke
from support.models import ScriptedServer
from support.play import say, script, slow, watching
from support.processes import free_port, listens
from support.roster import nothing_left
from support.stack import Stack
from support.viewer import Viewer
from support.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

PROXY = "csp_controlplane.proxy"
KEY = "the-right-key"
LOST = "The connection to the model was lost before the answer was complete."
AGAIN = f"{LOST} Trying again by itself."
UNREACHABLE = (
    "The model service cannot be reached at the moment. Try again in a minute; if it stays so, an "
    "administrator has to check the network."
)


class KeyedServer(ScriptedServer):
    """A scripted model that looks at the key."""

    def accept(self, key: str) -> None:
        self._environment["CSP_SCRIPTED_API_KEY"] = key


@dataclass
class Provider:
    """An installation and the provider that it asks, with the network between them."""

    stack: Stack
    model: KeyedServer
    network: Choke
    proxy_port: int

    def expects(self, key: str) -> None:
        """From now on the provider accepts this key only."""
        self.model.process.stop()
        self.model.accept(key)
        self.model.start()


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    model = KeyedServer(api_key=KEY)
    with model, Choke(("127.0.0.1", 0), ("127.0.0.1", model.port)) as network:
        proxy_port = free_port()
        environment = {
            "CSP_PROXY_PORT": str(proxy_port),
            "CSP_PROXY_UPSTREAM_URL": f"http://127.0.0.1:{network.port}",
            "CSP_PROXY_API_KEY": KEY,
            # The breaker has tests of its own; here each fault is looked at alone.
            "CSP_PROXY_BREAKER_FAILURES": "1000",
            "CSP_WORKER_MAX_RETRIES": "1",
        }
        with Stack(environment=environment) as stack:
            yield Provider(stack, model, network, proxy_port)


@pytest.fixture(autouse=True)
async def no_process_left_behind(provider: Provider) -> AsyncIterator[None]:
    async with nothing_left(provider.stack):
        yield


def shown_errors(viewer: Viewer) -> list[dict[str, Any]]:
    return [event["error"] for event in viewer.of("session.error")]


async def goes_on(viewer: Viewer) -> None:
    end = await viewer.turn(script(say("and on it goes")), deadline=60)
    assert end["outcome"] == "completed"
    assert viewer.text().endswith("and on it goes")


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (429, "The model service is limiting requests at the moment. Wait a little and send it "
              "again."),
        (500, "The model service had an internal error. Send your message again."),
        (529, "The model is overloaded at the moment. Try again in a minute."),
    ],
)  # fmt: skip
async def test_an_error_that_passes_is_shown_and_one_that_stays_ends_the_turn(
    provider: Provider, status: int, sentence: str
) -> None:
    async with watching(provider.stack) as viewer:
        once = {"t": "err", "status": status, "times": 1, "then": say("came through")}
        assert (await viewer.turn(script(once), deadline=60))["outcome"] == "completed"
        (error,) = shown_errors(viewer)
        assert error["retry_status"] == {"type": "retrying"}
        assert viewer.text() == "came through"
        end = await viewer.turn(script({"t": "err", "status": status}), deadline=60)
        assert (end["outcome"], end["error"]["message"]) == ("error", sentence)
        assert shown_errors(viewer)[-1]["retry_status"] == {"type": "exhausted"}
        idle = viewer.of("session.status_idle")[-1]
        assert idle["stop_reason"] == {"type": "retries_exhausted"}
        await goes_on(viewer)


async def test_a_stream_that_is_cut_is_withdrawn_and_asked_again(provider: Provider) -> None:
    async with watching(provider.stack) as viewer:
        cut = {"t": "cut", "n": 8, "chunk_delay": 0.1, "times": 1, "then": say("whole")}
        assert (await viewer.turn(script(cut), deadline=60))["outcome"] == "completed"
        assert viewer.text() == "whole"
        (error,) = shown_errors(viewer)
        assert (error["message"], error["retry_status"]) == (AGAIN, {"type": "retrying"})
        (withdrawn,) = viewer.ended_previews
        assert withdrawn not in [event["id"] for event in viewer.facts]


async def test_a_network_that_breaks_mid_stream_is_a_cut(provider: Provider) -> None:
    async with watching(provider.stack) as viewer:
        message = await viewer.say(script(slow(60)))
        cut = await viewer.partial(50)
        provider.network.cut()
        assert (await viewer.turn_end(message, deadline=60))["outcome"] == "completed"
        assert viewer.text() == "word " * 60
        assert list(viewer.ended_previews) == [cut]
        assert [error["message"] for error in shown_errors(viewer)] == [AGAIN]


async def test_the_proxy_killed_mid_stream_is_a_cut(provider: Provider) -> None:
    async with watching(provider.stack) as viewer:
        message = await viewer.say(script({**slow(100), "delay": 0.1}))
        await viewer.partial(50)
        old = provider.stack.pid(PROXY)
        kill(old)
        await replaced(provider.stack, PROXY, old)
        await wait_until(lambda: listens(provider.proxy_port), 30, "the proxy listening")
        end = await viewer.turn_end(message, deadline=90)
        said = [error["message"] for error in shown_errors(viewer)]
        assert said[0] == AGAIN
        if end["outcome"] == "completed":
            assert viewer.text() == "word " * 100
        else:
            assert end["error"]["message"] == said[-1]
            assert said[-1] in (f"{LOST} Send your message again.", UNREACHABLE)
        await goes_on(viewer)


async def test_without_a_network_there_is_one_clear_sentence(provider: Provider) -> None:
    async with watching(provider.stack) as viewer:
        provider.network.refuse()
        try:
            end = await viewer.turn(script(say("unheard")), deadline=90)
        finally:
            provider.network.refuse(False)
        assert end["outcome"] == "error"
        assert end["error"]["message"] == UNREACHABLE
        assert viewer.text() == ""
        await goes_on(viewer)


async def test_a_wrong_key_is_one_clear_sentence_and_the_key_is_nowhere(
    provider: Provider,
) -> None:
    async with watching(provider.stack) as viewer:
        provider.expects("another-key")
        try:
            end = await viewer.turn(script(say("unheard")), deadline=60)
        finally:
            provider.expects(KEY)
        assert end["outcome"] == "error"
        assert end["error"]["message"] == (
            "The model service does not accept this deployment's key. An administrator has to "
            "check it."
        )
        assert KEY not in str(viewer.facts)
        await goes_on(viewer)
