"""A bucket to keep files in: moto's S3 server, on a port of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from moto.server import ThreadedMotoServer

NAME = "files"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
}


class Bucket:
    """An empty one; `close` is what happens when its host goes away, `reopen` when it is back."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        httpx.post(f"{self.url}/moto-api/reset", timeout=60).raise_for_status()
        httpx.put(f"{self.url}/{NAME}", timeout=60).raise_for_status()

    def close(self) -> None:
        self._server.stop()

    def reopen(self) -> None:
        """At the same address, with what it held."""
        port = int(self.url.rpartition(":")[2])
        self._server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
        self._server.start()

    def keys(self) -> list[str]:
        """The names of all that it holds."""
        answer = httpx.get(f"{self.url}/{NAME}", params={"list-type": "2"}, timeout=60)
        answer.raise_for_status()
        return re.findall("<Key>([^<]+)</Key>", answer.text)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Bucket]:
        bucket = cls()
        try:
            yield bucket
        finally:
            bucket.close()
