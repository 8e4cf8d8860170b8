"""The egress proxy, a real Squid with the chart's configuration: the list and nothing else."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support.charts import find, rendered
from support.debian import require
from support.processes import ServerProcess, free_port

BLOCKED = "Blocked by csp"


@dataclass(frozen=True)
class Proxy:
    url: str
    site: int
    log: Path

    def get(self, url: str) -> httpx.Response:
        with httpx.Client(proxy=self.url, trust_env=False, timeout=20) as client:
            return client.get(url)


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    """A web server on the loopback address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    thread = threading.Thread(target=server.serve_forever, name="site")
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def start(folder: Path, site: int, *values: str) -> tuple[ServerProcess, Proxy]:
    """Squid as its pod runs it, with folders and ports that a test can have."""
    require("squid")
    port = free_port()
    settings = [part for value in values for part in ("--set", value)]
    config = find(
        rendered(*settings, "--set", f"egressProxy.allowedPorts={{80,443,{site}}}"),
        "ConfigMap",
        "csp-egress-proxy",
    )["data"]
    run = folder / "run"
    run.mkdir()
    for name, text in config.items():
        text = text.replace("/etc/csp", str(folder)).replace("/run/squid", str(run))
        text = text.replace("http_port 3128", f"http_port 127.0.0.1:{port}")
        (folder / ("run.sh" if name == "run" else name)).write_text(text)
    log = folder / "log"
    log.touch()
    user = None
    if os.geteuid() == 0:
        user = (10001, 10001)
        os.chown(run, *user)
        log.chmod(0o666)
        for parent in (folder, *folder.parents):
            parent.chmod(parent.stat().st_mode | 0o011)
    process = ServerProcess(["/bin/sh", folder / "run.sh"], log=log, user=user)
    return process, Proxy(f"http://127.0.0.1:{port}", site, log)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, site: int) -> Iterator[Proxy]:
    """One that allows localhost, although it is a private address."""
    process, made = start(
        tmp_path_factory.mktemp("squid"), site, "egressProxy.allowedDomains={localhost}",
        "egressProxy.allowPrivateAddresses=true",
    )  # fmt: skip
    try:
        process.wait_listening(int(made.url.rpartition(":")[2]), 20)
        yield made
    finally:
        process.stop(15)


def test_a_name_on_the_list_is_reached(proxy: Proxy) -> None:
    assert proxy.get(f"http://localhost:{proxy.site}/").text == "hello"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "http://sub.localhost/",
        "http://localhost:22/",
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://10.96.0.1/",
    ],
)
def test_everything_else_is_refused_with_words(proxy: Proxy, url: str) -> None:
    answer = proxy.get(url)
    assert answer.status_code == 403
    assert answer.text.startswith(BLOCKED)


def test_tunnels_follow_the_same_list(proxy: Proxy) -> None:
    with pytest.raises(httpx.ProxyError, match="403"):
        proxy.get("https://example.org/")


def test_the_proxy_says_on_standard_output_who_asked_for_what(proxy: Proxy) -> None:
    proxy.get("http://asked-for.example.org/")
    assert '"to":"http://asked-for.example.org/","status":403' in proxy.log.read_text()


def test_its_own_management_is_closed(proxy: Proxy) -> None:
    assert proxy.get(f"{proxy.url}/squid-internal-mgr/info").status_code == 403


@pytest.mark.parametrize(
    "value",
    ["egressProxy.allowedDomains={localhost}", "egressProxy.allowedDomains={}"],
    ids=["a name that leads to a private address", "no name at all"],
)
def test_by_default_nothing_private_and_nothing_unnamed(
    tmp_path: Path, site: int, value: str
) -> None:
    process, proxy = start(tmp_path, site, value)
    try:
        process.wait_listening(int(proxy.url.rpartition(":")[2]), 20)
        answer = proxy.get(f"http://localhost:{site}/")
        assert answer.status_code == 403
        assert answer.text.startswith(BLOCKED)
    finally:
        process.stop(15)
