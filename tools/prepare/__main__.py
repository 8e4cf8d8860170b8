"""The set-up that every make target does first: `python3 -m prepare environment page`.

Needs nothing but Python's standard library. Each part does nothing when it is up to date.
`python3 -m prepare npm run lint` installs the page's packages and becomes that npm command.
"""

from __future__ import annotations

import fcntl
import os
import sys

from prepare import chart, environment, page
from prepare.steps import CACHE, StepFailed, say

_PARTS = {
    "environment": environment.prepare,
    "page": page.prepare,
    "helm": chart.prepare_helm,
    "chart": chart.prepare,
}


def main(words: list[str]) -> int:
    npm = words[:1] == ["npm"]
    unknown = [] if npm else [word for word in words if word not in _PARTS]
    if unknown:
        say(f"csp: unknown parts {unknown}: there are {list(_PARTS)}, and npm COMMAND")
        return 2
    CACHE.mkdir(exist_ok=True)
    search_path = ""
    try:
        # Two makes at once: the second waits and then finds everything done.
        with (CACHE / "prepare.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if npm:
                search_path = page.prepare_packages()
            else:
                for word in words:
                    _PARTS[word]()
    except StepFailed as failure:
        say(str(failure))
        return 1
    if npm:
        os.chdir(page.FRONTEND)
        os.execvpe("npm", words, {**os.environ, "PATH": search_path})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
