"""The smaller commands against a whole installation: login, users, sessions, doctor, help."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import httpx
import pytest
import typer.main
from typer.testing import CliRunner

from csp_controlplane.cli.app import app
from csp_controlplane.supervisor.errors import MEANINGS, ExitCode
from support.csp_command import csp
from support.processes import free_port
from support.stack import Stack

pytestmark = pytest.mark.timeout(240)  # whole installations, maybe on a busy machine


def signed_in_as(link: str) -> str | None:
    """The address of whom the link signs in."""
    with httpx.Client(trust_env=False, follow_redirects=False) as client:
        if client.post(link).status_code != 303:
            return None
        base = link.partition("/login")[0]
        return str(client.get(f"{base}/api/v1/me").json()["user"]["email"])


def test_login_prints_a_link_that_works_once(stack: Stack) -> None:
    done = csp("login", data=stack.layout.data)
    link = done.stdout.strip()
    assert signed_in_as(link) == "you@localhost"
    assert signed_in_as(link) is None


def test_a_person_is_added_listed_and_signed_in(stack: Stack) -> None:
    data = stack.layout.data
    added = csp("users", "add", "ann@example.org", "--name", "Ann", data=data)
    assert added.returncode == 0, added.stderr
    (link,) = re.findall(r"http://\S+token=\S+", added.stdout)
    assert signed_in_as(link) == "ann@example.org"
    again = csp("login", "--email", "ann@example.org", data=data)
    assert signed_in_as(again.stdout.strip()) == "ann@example.org"
    listed = csp("users", "list", "--json", data=data)
    people = {line["email"]: line for line in map(json.loads, listed.stdout.splitlines())}
    assert people["ann@example.org"]["role"] == "member"
    assert people["you@localhost"]["role"] == "admin"
    assert "Ann" in csp("users", "list", data=data).stdout


def test_a_password_comes_by_standard_input_and_signs_in(stack: Stack) -> None:
    data = stack.layout.data
    done = csp(
        "users", "add", "bob@example.org", "--admin", "--password-stdin",
        data=data, stdin="correct horse battery\n",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "correct horse" not in done.stdout + done.stderr
    answer = httpx.post(
        f"{stack.url}/api/v1/auth/login",
        json={"email": "bob@example.org", "password": "correct horse battery"},
        trust_env=False,
    )
    assert answer.status_code == 204


def test_a_key_is_made_used_listed_and_revoked(stack: Stack) -> None:
    data = stack.layout.data
    made = csp("keys", "add", "laptop", "--days", "7", data=data)
    assert made.returncode == 0, made.stderr
    (key,) = made.stdout.split()
    (identity,) = re.findall(r"^key_\w+", made.stderr)
    assert key not in made.stderr

    def status() -> int:
        with httpx.Client(trust_env=False) as client:
            return client.get(f"{stack.url}/api/v1/me", headers={"x-api-key": key}).status_code

    assert status() == 200
    listed = csp("keys", "list", "--json", data=data)
    (shown,) = [one for one in map(json.loads, listed.stdout.splitlines()) if one["id"] == identity]
    assert (shown["name"], shown["email"]) == ("laptop", "you@localhost")
    assert shown["last_used_at"] is not None
    assert key not in listed.stdout
    assert re.search(rf"{identity}.*laptop.*you@localhost", csp("keys", "list", data=data).stdout)
    assert csp("keys", "revoke", identity, data=data).returncode == 0
    assert status() == 401
    assert identity not in csp("keys", "list", data=data).stdout


def test_a_key_of_another_person_is_theirs(stack: Stack) -> None:
    data = stack.layout.data
    csp("users", "add", "eve@example.org", data=data)
    made = csp("keys", "add", "ci", "--email", "eve@example.org", data=data)
    with httpx.Client(trust_env=False) as client:
        headers = {"x-api-key": made.stdout.strip()}
        me = client.get(f"{stack.url}/api/v1/me", headers=headers).json()
    assert me["user"]["email"] == "eve@example.org"


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (("users", "add", "you@localhost"), "", "belongs to a user already"),
        (("users", "add", "nonsense"), "", "not an address"),
        (("users", "add", "c@example.org", "--password-stdin"), "short\n", "at least"),
        (("login", "--email", "nobody@example.org"), "", "no user"),
        (("keys", "add", "ci", "--email", "nobody@example.org"), "", "no user"),
        (("keys", "revoke", "key_unknown"), "", "no API key"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    stack: Stack, arguments: tuple[str, ...], stdin: str, words: str
) -> None:
    done = csp(*arguments, data=stack.layout.data, stdin=stdin)
    assert done.returncode == ExitCode.REFUSED
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("csp: ")
    assert words in line


async def test_sessions_shows_titles_and_what_waits(stack: Stack) -> None:
    async with stack.client() as client:
        made = (await client.post("/sessions", json={"title": "A fine title"})).json()
    table = csp("sessions", data=stack.layout.data).stdout
    assert re.search(rf"{made['id']}.*A fine title.*just now", table)
    lines = csp("sessions", "--json", data=stack.layout.data).stdout.splitlines()
    assert made["id"] in [json.loads(line)["id"] for line in lines]


def test_doctor_finds_a_running_installation_healthy(stack: Stack) -> None:
    port = str(stack.instance.ports[0])
    done = csp("doctor", "--json", "--port", port, data=stack.layout.data)
    findings = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, done.stdout
    for name in ("python", "claude cli", "data directory", "database", "cache", "port"):
        assert findings[name]["level"] == "ok", findings[name]
    assert "csp runs there" in findings["port"]["message"]
    assert findings["model"]["level"] == "warn"


@pytest.mark.parametrize("command", ["login", "sessions", "chat"])
def test_without_a_running_csp_commands_say_so(tmp_path: Path, command: str) -> None:
    done = csp(command, data=tmp_path / "data", stdin="hello")
    assert done.returncode == ExitCode.NOT_RUNNING
    assert "csp up" in done.stderr


def test_doctor_says_what_to_do_where_csp_cannot_run(tmp_path: Path) -> None:
    broken = tmp_path / "claude"
    broken.write_text("#!/bin/sh\necho this is no CLI >&2\nexit 7\n")
    broken.chmod(0o755)
    (tmp_path / "file").write_text("in the way")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = csp(
            "doctor", "--port", str(taken.getsockname()[1]),
            data=tmp_path / "file" / "data",
            CSP_WORKER_CLI_PATH=str(broken),
            CSP_DATABASE_URL=f"postgresql://u:hidden@127.0.0.1:{free_port()}/csp",
            CSP_REDIS_URL=f"redis://127.0.0.1:{free_port()}",
            ANTHROPIC_API_KEY="sk-hidden",
            CSP_PROXY_UPSTREAM_URL=f"http://127.0.0.1:{free_port()}",
        )  # fmt: skip
    assert done.returncode == ExitCode.FAILED
    failed = re.findall(r"^FAIL ([\w ]+):", done.stdout, re.MULTILINE)
    assert failed == ["claude cli", "data directory", "port", "database", "cache", "model"]
    assert "this is no CLI" in done.stdout
    assert "hidden" not in done.stdout
    assert "6 to fix" in done.stdout


def test_a_key_that_is_refused_is_found(tmp_path: Path, refusing_model: str) -> None:
    done = csp(
        "doctor", "--json", "--port", str(free_port()), data=tmp_path / "data",
        ANTHROPIC_API_KEY="sk-wrong", CSP_PROXY_UPSTREAM_URL=refusing_model,
    )  # fmt: skip
    (model,) = [
        line for line in map(json.loads, done.stdout.splitlines()) if line["name"] == "model"
    ]
    assert model["level"] == "fail"
    assert "refuses the API key" in model["message"]


def test_the_settings_file_holds_for_every_command_and_the_environment_wins(
    tmp_path: Path,
) -> None:
    port = free_port()
    (tmp_path / "csp.env").write_text(f"# mine\nCSP_GATEWAY_PORT={port}\nCSP_LOG_LEVEL='debug'\n")
    done = csp("doctor", data=tmp_path)
    assert f"port: {port} of" in done.stdout
    other = free_port()
    done = csp("doctor", data=tmp_path, CSP_GATEWAY_PORT=str(other))
    assert f"port: {other} of" in done.stdout
    (tmp_path / "csp.env").write_text("CSP_LOG_LEVEL=info\nPATH=/evil\n")
    done = csp("doctor", data=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "line 2" in done.stderr


def test_every_command_option_and_exit_code_explains_itself() -> None:
    group = typer.main.get_group(app)
    for name, command in group.commands.items():
        assert command.help, name
        for option in command.params:
            assert getattr(option, "help", None), f"{name}: {option.name}"
    shown = CliRunner().invoke(app, ["--help"]).output
    for code, meaning in MEANINGS.items():
        assert re.search(rf"^ +{int(code)}  {re.escape(meaning)}$", shown, re.MULTILINE), code
    assert MEANINGS.keys() == set(ExitCode)
