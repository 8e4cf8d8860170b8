"""The check of the tree finds what it is for and leaves ordinary text alone."""

from __future__ import annotations

import pytest

from check_tree import main, problems

# Put together here, because this file is checked too.
BAD = {
    "names a host that packages are downloaded from": "see https://" + "pypi." + "org/simple",
    "holds a path of one machine": "open('/ho" + "me/anna/x')",
    "looks like a secret": "key = 'sk-ant-" + "api03-abcdefghijklmnopqrstuvwxyz'",
    "leaves work open": "# TO" + "DO: later",
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_line_is_found_with_its_number(what: str) -> None:
    assert list(problems(f"fine\n{BAD[what]}\n")) == [(2, what)]


@pytest.mark.parametrize(
    "line",
    [
        "run it in ~/root/x or ./root/x or $HOME/root/x",
        "https://example.com/home/anna",
        "sk-ant-...",
        "method todos() lists to-do items",
        "`/workspace/report.txt`",
    ],
)
def test_an_ordinary_line_is_left_alone(line: str) -> None:
    assert list(problems(line)) == []


def test_the_command_fails_on_a_bad_file(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path_factory.mktemp("tree") / "a.md"
    file.write_text(BAD["leaves work open"])
    assert main([str(file)]) == 1
    assert f"{file}:1: leaves work open" in capsys.readouterr().out
