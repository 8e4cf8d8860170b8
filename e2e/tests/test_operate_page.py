"""The operators' page on a node: each of its commands, in the page's order, as it is written.

The release that the other tests share is removed first and put back in the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from e2e.installation import Installation
from e2e.node import binaries
from support.pages import OPERATE, Block, Shell, blocks

_PORT = 8400
"""Of the page's kubectl port-forward."""


@pytest.fixture
def shell(installation: Installation, tmp_path: Path) -> Iterator[Shell]:
    """A person's shell with an empty cluster."""
    programs = binaries.require("kubectl", "helm")
    values = tmp_path / "values.json"
    installation.remove_everything()
    installation.make_volume()
    values.write_text(json.dumps(installation.values))
    yield Shell(
        tmp_path,
        kubectl=programs["kubectl"],
        helm=programs["helm"],
        environment={"KUBECONFIG": str(installation.cluster.kubeconfig)},
        values=values,
    )
    installation.remove_everything()
    installation.install()


def of(group: str) -> list[Block]:
    found = blocks(OPERATE, group)
    assert found, group
    return found


def test_each_command_of_the_operators_page_works(
    installation: Installation, shell: Shell, tmp_path: Path
) -> None:
    said = "\n".join(shell.run(block) for block in of("install"))
    assert "1/1" in said or "hello" in said
    link = re.search(r"(http://\S+)/login\?token=\S+", said)
    assert link is not None, said
    (forward,) = of("forward")
    with shell.start(forward, tmp_path / "forward.log") as forwarded:
        forwarded.wait_listening(_PORT)
        origin = {"origin": link[1]}
        signed_in = httpx.post(link[0], headers=origin, trust_env=False, timeout=30)
        assert signed_in.status_code == 303, signed_in.text
    for group in ("upgrade", "backup", "scale", "watch", "debug"):
        for block in of(group):
            shell.run(block)
        installation.ready()
    assert (tmp_path / "csp.dump").stat().st_size > 10_000
    for group in ("remove", "purge"):
        for block in of(group):
            shell.run(block)
    assert "namespace/csp" not in installation.kubectl("get", "namespaces", "-o", "name").split()
