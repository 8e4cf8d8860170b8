"""A control plane on a real API server; who plays operator and pods differs from test to test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import pytest
import redis.asyncio

from csp_controlplane.store.database import Database
from support.apiserver import ApiServer
from support.cluster import write_keys
from support.kube import Kube
from support.planes import Planes, PlayedPod, add_people

_ADDRESSES = (f"127.{210 + os.getpid() % 40}.{n // 250 % 250}.{n % 250 + 1}" for n in count())


@pytest.fixture
async def people(db: Database) -> None:
    """The tenant acme with its user Alice."""
    await add_people(db)


@pytest.fixture
async def kube(api_server: ApiServer, kube_namespace: str) -> AsyncIterator[Kube]:
    async with Kube(api_server, kube_namespace) as client:
        yield client


@pytest.fixture
async def planes(
    db: Database, redis_url: str, api_server: ApiServer, kube: Kube, people: None, tmp_path: Path
) -> AsyncIterator[Planes]:
    signing_key, _ = write_keys(tmp_path)
    client = redis.asyncio.from_url(redis_url, socket_timeout=None)
    planes = Planes(db, client, api_server, kube.namespace, signing_key)
    async with planes.stack:
        yield planes
    await client.aclose()


@pytest.fixture
async def new_pod() -> AsyncIterator[Callable[[str], object]]:
    """Starts pods that the test plays; they end with it."""
    started: list[PlayedPod] = []

    async def start(uid: str) -> PlayedPod:
        pod = PlayedPod(uid, next(_ADDRESSES))
        await pod.start()
        started.append(pod)
        return pod

    yield start
    for pod in started:
        await pod.stop()
