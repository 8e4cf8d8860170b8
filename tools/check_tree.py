"""What may not be in a tracked file, whoever wrote it: `python tools/check_tree.py [files...]`.

Packages are named, never where they are downloaded from, because that differs between machines;
paths of somebody's machine mean nothing elsewhere; a secret that was committed is public; and work
that is left open belongs into an issue. Prints each place and exits with 1 when there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_HOSTS = (
    r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|registry\.yarnpkg|proxy\.golang\.org"
    r"|sum\.golang\.org|crates\.io|deb\.debian\.org|repo1?\.maven\."
)
RULES = {
    "names a host that packages are downloaded from": re.compile(_HOSTS),
    "holds a path of one machine": re.compile(
        r"(?<![\w.~$}/-])/(?:work|farm|root|home/\w+|Users/\w+|tmp/ref)/\w"
    ),
    "looks like a secret": re.compile(
        r"sk-ant-(?:api|admin)\d\d-[\w-]{20}|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"
        r"|\bgh[pousr]_\w{30}|\bAKIA[0-9A-Z]{16}\b|\bxox[abp]-\w{10}"
    ),
    # Spelled so that this line does not match itself.
    "leaves work open": re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b"),
}
_LONGEST = 2_000_000


def problems(text: str) -> Iterator[tuple[int, str]]:
    """Line number and what is wrong with it."""
    for number, line in enumerate(text.splitlines(), 1):
        for what, pattern in RULES.items():
            if pattern.search(line):
                yield number, what


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True)
    return [Path(name) for name in listed.stdout.split("\0") if name]


def main(arguments: list[str]) -> int:
    found = 0
    for file in [Path(name) for name in arguments] or tracked():
        if not file.is_file() or file.stat().st_size > _LONGEST:
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, what in problems(text):
            print(f"{file}:{number}: {what}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
