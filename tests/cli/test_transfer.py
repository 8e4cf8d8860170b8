"""Sessions as files, people erased and months dropped, from a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.csp_command import csp
from support.stack import Stack
from support.written_log import conversation, file_of

pytestmark = pytest.mark.timeout(240)  # whole installations, maybe on a busy machine


def test_a_session_goes_out_and_comes_back(stack: Stack, tmp_path: Path) -> None:
    data = stack.layout.data
    first = tmp_path / "tides.jsonl"
    first.write_text("\n".join(file_of(conversation(), [{"uuid": "u"}])))
    imported = csp("import", str(first), data=data)
    assert imported.returncode == 0, imported.stderr
    session = imported.stdout.strip()
    assert session.startswith("sesn_")

    out = tmp_path / "out.jsonl"
    exported = csp("export", session, str(out), data=data)
    assert exported.returncode == 0, exported.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["type"] for line in lines][:2] == ["csp.session", "user.message"]
    again = csp("import", "-", data=data, stdin=out.read_text())
    assert again.stdout.startswith("sesn_")
    assert again.stdout.strip() != session

    page = csp("export", session, "--format", "html", data=data)
    assert page.stdout.startswith("<!doctype html>")
    kept = csp("export", session, str(out), data=data)
    assert kept.returncode == 2
    assert "exists: give another name, or --force" in kept.stderr
    assert csp("export", session, str(out), "--force", data=data).returncode == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_cannot_be_done_is_said_in_a_sentence(stack: Stack, tmp_path: Path) -> None:
    data = stack.layout.data
    bad = tmp_path / "bad.jsonl"
    bad.write_text("\n".join(file_of(conversation())[:3]))
    for arguments, code, said in (
        (("import", str(bad)), 11, "The file ends early, after line 3"),
        (("import", str(tmp_path / "none")), 2, "cannot be read: No such file"),
        (("export", "sesn_none"), 11, "There is no session 'sesn_none'"),
        (("export", "sesn_none", "--format", "pdf"), 2, "There is no format 'pdf'"),
        (("users", "erase", "nobody@example.org", "--yes"), 11, "There is no user"),
        (("months", "drop", "1999-01", "--yes"), 11, "There are no logs of 1999-01"),
        (("months", "drop", "soon", "--yes"), 11, "is no month"),
    ):
        done = csp(*arguments, data=data)
        assert (done.returncode, done.stdout) == (code, ""), done
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_person_is_erased(stack: Stack) -> None:
    data = stack.layout.data
    assert csp("users", "add", "gone@example.org", data=data).returncode == 0
    asked = csp("users", "erase", "gone@example.org", data=data, stdin="n\n")
    assert asked.returncode != 0
    done = csp("users", "erase", "gone@example.org", "--yes", data=data)
    assert done.returncode == 0, done.stderr
    assert "Erased gone@example.org: 0 sessions" in done.stdout
    assert "gone@example.org" not in csp("users", "list", data=data).stdout


def test_months_are_listed_and_one_in_use_is_kept(stack: Stack, tmp_path: Path) -> None:
    data = stack.layout.data
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(file_of(conversation())))
    session = csp("import", str(file), data=data).stdout.strip()
    (month,) = [json.loads(line) for line in csp("months", "list", "--json", data=data)
                .stdout.splitlines()]  # fmt: skip
    assert month["sessions"] > month["deleted"]
    assert month["bytes"] > 0
    name = month["month"][:7]
    refused = csp("months", "drop", name, "--yes", data=data)
    assert refused.returncode == 11
    assert "still in use" in refused.stderr
    dropped = csp("months", "drop", name, "--yes", "--idle-days", "0", data=data)
    assert dropped.returncode == 0, dropped.stderr
    assert csp("export", session, data=data).returncode == 11
    assert "dropped" in csp("months", "list", data=data).stdout
