"""One cluster with one installation of csp, for all tests that leave it as they found it."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from e2e.images import build
from e2e.installation import Installation
from e2e.node import binaries, packages
from e2e.node.kind import KindCluster
from e2e.node.native import NativeCluster
from e2e.node.provider import Cluster
from e2e.node.report import say
from e2e.streams import Streams
from support.browser import MISSING, find_browser
from support.visitor import BROWSER_ARGUMENTS

_PROVIDERS: dict[str, Callable[[], Cluster]] = {"native": NativeCluster, "kind": KindCluster}
_STREAMS = pytest.StashKey[Streams]()
_BEGAN = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: minutes of waiting; only in `make e2e-long`")


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_BEGAN] = time.monotonic()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    streams = item.config.stash.get(_STREAMS, None)
    if report.failed:
        # At once: the whole run takes long, and its end may never come.
        say(f"FAILED {item.nodeid} ({report.when})\n{report.longreprtext[-3000:]}")
    if report.failed and streams is not None:
        report.sections.append(("the cluster meanwhile", streams.since(item.stash[_BEGAN])))
    return report


@pytest.fixture(scope="session")
def images() -> dict[str, Path]:
    """Archives of the images by reference, built when something in them changed."""
    packages.install(("buildah", "mmdebstrap"))
    archives = build.build()
    for line in build.sizes(archives):
        say(f"image {line}")
    return {**archives, build.SERVERS_REFERENCE: build.servers()}


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, images: dict[str, Path]) -> Iterator[Cluster]:
    """A running cluster that has the images. Its events and logs are shown while it runs."""
    name = os.environ.get("CSP_E2E_PROVIDER", "native")
    if name not in _PROVIDERS:
        pytest.fail(f"CSP_E2E_PROVIDER is {name!r}: there are {sorted(_PROVIDERS)}")
    running = _PROVIDERS[name]()
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    assert isinstance(terminal, pytest.TerminalReporter)
    kubectl = [str(binaries.require("kubectl")["kubectl"]), "--kubeconfig", str(running.kubeconfig)]
    streams = Streams(kubectl, binaries.CACHE / "logs", terminal.write_line)
    try:
        running.start()
        request.config.stash[_STREAMS] = streams
        streams.start()
        for reference, archive in images.items():
            began = time.monotonic()
            running.load(archive)
            say(f"loaded {reference} in {time.monotonic() - began:.0f} s")
        yield running
    finally:
        streams.close()
        running.close()


@pytest.fixture(scope="session")
def release(cluster: Cluster) -> Iterator[Installation]:
    """csp, installed by the chart and ready."""
    found = Installation(cluster)
    try:
        began = time.monotonic()
        found.install()
        say(f"installed and ready after {time.monotonic() - began:.0f} s")
        yield found
    finally:
        found.close()


@pytest.fixture
def installation(release: Installation) -> Installation:
    """The release, with a pod that waits, whatever the test before has used up. A test that changes
    it puts it back."""
    release.until_warm()
    return release


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium. Without one the test is skipped, and in CI it fails."""
    path = find_browser()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=path, args=list(BROWSER_ARGUMENTS)
        )
        yield running
        await running.close()
