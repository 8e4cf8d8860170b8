"""The operators' page: its commands are all run by tests, here or on a node."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.node.binaries import require
from prepare import chart as programs
from support.apiserver import ApiServer
from support.pages import Block, Shell, blocks

HERE = frozenset({"render", "production"})
ON_A_NODE = frozenset(
    {"install", "forward", "upgrade", "backup", "scale", "watch", "debug", "remove", "purge"}
)
"""What e2e/tests runs."""


def test_every_command_of_the_page_is_run_by_a_test() -> None:
    groups = [block.group for block in blocks()]
    assert len(groups) > 15
    assert set(groups) == HERE | ON_A_NODE


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_commands_name_the_release_that_the_page_installs(block: Block) -> None:
    for line in block.text.splitlines():
        if line.startswith("kubectl ") and "delete crd" not in line and "namespace csp" not in line:
            assert "-n csp" in line, line


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_the_shell_understands_each_block(tmp_path: Path, block: Block) -> None:
    nothing = Path("/bin/true")
    quiet = Shell(tmp_path, kubectl=nothing, helm=nothing, environment={})
    (tmp_path / "csp.dump").touch()
    quiet.run(block)


def test_what_needs_no_node_runs(tmp_path: Path, api_server: ApiServer) -> None:
    api_server.kubectl("create", "namespace", "csp")
    shell = Shell(
        tmp_path,
        kubectl=require("kubectl")["kubectl"],
        helm=programs.helm(),
        environment=api_server.environment(),
    )
    said = [shell.run(block) for block in blocks() if block.group in HERE]
    assert any("kind: Ingress" in text for text in said)
    assert any("kind: PrometheusRule" in text for text in said)
    made = api_server.kubectl("-n", "csp", "get", "secrets", "-o", "name")
    assert "secret/csp-database-addresses" in made
