"""Running the `csp` command against a stack, as a person's shell does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CSP = str(Path(sys.executable).with_name("csp"))


def csp(
    *arguments: str, data: Path, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command without a terminal."""
    return subprocess.run(
        [CSP, *arguments],
        input=stdin,
        env={**os.environ, "ANTHROPIC_API_KEY": "", "CSP_DATA_DIR": str(data), **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
