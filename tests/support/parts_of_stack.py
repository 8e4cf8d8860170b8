"""The processes of a whole installation: finding them and waiting for them."""

from __future__ import annotations

import contextlib
import re

import httpx
import psutil

from support.stack import Stack
from support.waiting import wait_until_sync

GATEWAY = "csp_controlplane.gateway"
WORKER = "csp_worker"
PROXY = "csp_controlplane.proxy"
MODEL_SERVER = "csp_controlplane.scripted_model"


def named(stack: Stack, program: str) -> list[int]:
    """Processes of a program that is not one of our modules."""
    found = []
    for process in stack.survivors():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == program:
                found.append(process.pid)
    return found


def supervisor_pid(stack: Stack) -> int:
    """The guardian's only child."""
    (child,) = psutil.Process(stack.process.pid).children()
    return child.pid


def warm(stack: Stack) -> int:
    """Spares that are ready, as the gateway tells."""
    answer = httpx.get(f"{stack.url}/api/v1/health/ready", timeout=5, trust_env=False)
    (count,) = re.findall(r"^(\d+) of", answer.json()["checks"]["warm_spares"]["message"])
    return int(count)


def wait_warm(stack: Stack) -> None:
    wait_until_sync(lambda: warm(stack) >= 1, 60, "a warm spare")


def wait_nothing_left(stack: Stack, deadline: float) -> None:
    wait_until_sync(lambda: not stack.survivors(), deadline, "every process being gone")


def postmaster(stack: Stack) -> int:
    """The database server's first process."""
    return int((stack.layout.postgres / "postmaster.pid").read_text().split()[0])
