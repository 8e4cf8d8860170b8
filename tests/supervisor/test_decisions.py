"""Small pure decisions of the supervisor: environments, back-off, profiles, paths, log lines."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from csp_controlplane.supervisor.environment import Component, child_environment
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.logs import ROTATE_BYTES, ComponentLog, LinePump, LogFile
from csp_controlplane.supervisor.postgres import remove_leftovers
from csp_controlplane.supervisor.profiles import spare_spec
from csp_controlplane.supervisor.restarts import LONGEST_DELAY_S, Restarts, counted
from csp_crds.agent import AgentSpec, McpServer

OURS = {
    "PATH": "/bin",
    "HOME": "/home/ann",
    "ANTHROPIC_API_KEY": "sk-real",
    "CSP_PROXY_API_KEY": "sk-proxy",
    "CSP_DATABASE_URL": "postgresql://u:secret@db/csp",
    "CSP_REDIS_URL": "redis://:secret@cache",
    "CSP_GATEWAY_MESSAGE_BYTES": "1",
    "CSP_WORKER_CLI_PATH": "/cli",
    "CSP_LOG_LEVEL": "debug",
    "HTTPS_PROXY": "http://out",
    "AWS_SECRET_ACCESS_KEY": "aws",
    "LD_PRELOAD": "/evil.so",
}


@pytest.mark.parametrize(
    ("component", "has", "lacks"),
    [
        ("worker", ["CSP_WORKER_CLI_PATH", "CSP_LOG_LEVEL"], ["CSP_DATABASE_URL", "CSP_REDIS_URL"]),
        ("gateway", ["CSP_DATABASE_URL", "CSP_GATEWAY_MESSAGE_BYTES"], ["HTTPS_PROXY"]),
        ("model", ["CSP_LOG_LEVEL"], ["CSP_DATABASE_URL"]),
        ("server", ["PATH"], ["CSP_LOG_LEVEL"]),
        ("prepare", ["CSP_DATABASE_URL"], ["CSP_REDIS_URL"]),
    ],
)
def test_a_part_gets_its_settings_and_no_key(
    component: Component, has: list[str], lacks: list[str]
) -> None:
    given = child_environment(component, OURS, {})
    assert set(has) <= given.keys()
    never = {"ANTHROPIC_API_KEY", "CSP_PROXY_API_KEY", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD"}
    assert not given.keys() & {*lacks, *never}


def test_credentials_of_a_bucket_are_for_gateways_that_have_one() -> None:
    ours = {**OURS, "CSP_OBJECTS_URL": "s3://files/csp"}
    assert child_environment("gateway", ours, {})["AWS_SECRET_ACCESS_KEY"] == "aws"
    for component in ("worker", "proxy", "model", "prepare"):
        assert "AWS_SECRET_ACCESS_KEY" not in child_environment(component, ours, {})


def test_only_the_proxy_gets_the_key_and_the_way_out() -> None:
    given = child_environment("proxy", OURS, {"CSP_PROXY_PORT": "1"})
    assert given["ANTHROPIC_API_KEY"] == "sk-real"
    assert given["CSP_PROXY_API_KEY"] == "sk-proxy"
    assert given["HTTPS_PROXY"] == "http://out"
    assert given["CSP_PROXY_PORT"] == "1"


def test_what_the_supervisor_decides_wins() -> None:
    assert child_environment("worker", OURS, {"HOME": "/w"})["HOME"] == "/w"


def test_a_start_has_longer_where_many_start_at_once() -> None:
    assert counted(10.0, starting=1, processors=2) == 10.0
    assert counted(10.0, starting=2, processors=2) == 10.0
    assert counted(10.0, starting=20, processors=2) == 1.0


def test_delays_double_to_a_bound_and_a_steady_run_forgives() -> None:
    restarts = Restarts()
    delays = []
    for _ in range(12):
        restarts = restarts.after_end(ran_s=1.0)
        delays.append(restarts.delay_s)
    assert delays[:4] == [0.2, 0.4, 0.8, 1.6]
    assert delays[-1] == LONGEST_DELAY_S
    assert restarts.is_loop
    assert not restarts.after_end(ran_s=100.0).is_loop


def test_a_spare_learns_nothing_private_of_the_definition_it_was_made_for() -> None:
    spec = AgentSpec(
        system_prompt="our secret recipe", env={"TOKEN": "t"}, tools=("Bash",), betas=("b",)
    )
    bare = spare_spec(spec)
    assert bare is not None
    assert bare.spawn_profile() == spec.spawn_profile()
    assert "secret" not in bare.model_dump_json()
    assert "TOKEN" not in bare.model_dump_json()


def test_a_definition_with_mcp_servers_has_no_spares_of_its_own() -> None:
    server = McpServer(url="https://mcp.example", headers={"authorization": "secret"})
    assert spare_spec(AgentSpec(mcp_servers={"m": server})) is None


def test_sockets_stay_within_the_limit_for_a_deep_data_directory(tmp_path: Path) -> None:
    deep = Layout(tmp_path / ("d" * 150))
    assert len(str(deep.worker_sockets / ("wrkr_" + "0" * 26 + ".sock"))) < 108
    assert Layout(Path("/short")).run == Path("/short/run")


def test_output_that_is_not_json_is_wrapped_and_the_last_lines_are_at_hand(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "part.log")
    log = ComponentLog("part", file, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    pump = LinePump(log.line)
    pump.data_received(b'{"message": "from json", "level": "info"}\nplain \xff')
    pump.data_received(b" text\n\nrest without end")
    pump.connection_lost(None)
    file.close()
    lines = [json.loads(line) for line in (tmp_path / "part.log").read_text().splitlines()]
    assert [line["message"] for line in lines] == ["from json", "plain � text", "rest without end"]
    assert lines[1]["component"] == "part"
    assert log.tail(2) == "plain � text\nrest without end"


def test_a_log_file_is_rotated_and_old_ones_go(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "part.log", rotate_bytes=100)
    for number in range(60):
        file.write(f"line {number:03d} {'x' * 20}".encode())
    file.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["part.log", "part.log.1", "part.log.2", "part.log.3", "part.log.4"]
    assert "line 059" in (tmp_path / "part.log").read_text()
    assert ROTATE_BYTES >= 1_000_000


def test_a_pid_file_of_the_database_that_names_somebody_else_is_dropped(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.postgres.mkdir()
    layout.postgres_sockets.mkdir(parents=True)
    file = layout.postgres / "postmaster.pid"
    beside_the_socket = layout.postgres_sockets / ".s.PGSQL.5432.lock"
    for text in (f"{os.getpid()}\n/elsewhere\n", "nonsense", "", "4194304\n"):
        file.write_text(text)
        beside_the_socket.write_text(text)
        remove_leftovers(layout)
        assert not file.exists()
        assert not beside_the_socket.exists()
    remove_leftovers(layout)
