"""Which browser drives the page in tests: a Chromium that is already on the machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)

MISSING = (
    "NO BROWSER: the tests that drive the page did not run. Install Chromium (on Debian: "
    "apt-get install chromium) or name one with CSP_TEST_BROWSER."
)


def find_browser() -> str | None:
    """The browser's program."""
    chosen = os.environ.get("CSP_TEST_BROWSER")
    if chosen:
        return chosen
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    return found or next((path for path in _MAC if Path(path).exists()), None)
